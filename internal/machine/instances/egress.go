package instances

import (
	"errors"

	"github.com/concordat-dev/concordat/internal/values"
)

// Egress is the description of an egress.
type Egress struct {
	Name    string
	Records *values.Type
}

// DefinedName implements [Definition].
func (g *Egress) DefinedName() string { return g.Name }

// Validate reports what is wrong with the egress, or nil.
func (g *Egress) Validate() error {
	return errors.Join(CheckName("egress", g.Name), g.Records.Refuse("record of egress "+g.Name))
}
