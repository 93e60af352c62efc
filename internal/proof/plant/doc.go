// Package plant holds planted bugs: mistakes that engines of this kind really made.
//
// A plant is a small change of the product's code, which says what it replaces and by what. TestPlants builds with all of them, by go's
// -overlay, so that the product knows nothing of them; an environment variable chooses one when the build runs. It demands that the
// check which the table names for a plant passes without it and fails with it, for the right reason: a check that never failed proves
// nothing. TestPlantsFit, which takes no time, holds each to the code that is there.
//
// The package has tests only.
package plant
