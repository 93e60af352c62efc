// Package plant holds planted bugs: mistakes that engines of this kind really made.
//
// A plant is a small change of the product's code, which says what it replaces and by what. TestPlants builds with each in turn, by
// go's -overlay, so that the product knows nothing of them, and demands that the check which the table names for it fails, for the
// right reason: a check that never failed proves nothing. TestPlantsFit, which takes no time, holds each to the code that is there.
//
// The package has tests only.
package plant
