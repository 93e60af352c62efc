package instances

import (
	"fmt"

	"github.com/concordat-dev/concordat/internal/failures"
)

// Limits of names and ids, in bytes.
const (
	// MaxName bounds the name of a type, operation, coordinator function or egress.
	MaxName = 128
	// MaxID bounds the id of an instance and of a request.
	MaxID = 512
)

// CheckName reports what is wrong with the name of a type, operation, coordinator function or egress, or nil.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("functions: the name of a %s is empty", what)
	case len(name) > MaxName:
		return fmt.Errorf("functions: the name of a %s has %d bytes, at most %d; it begins with %.20q", what, len(name), MaxName, name)
	}
	for i := range len(name) {
		if name[i] == 0 {
			return fmt.Errorf("functions: the name of a %s has a zero byte: %q", what, name)
		}
	}
	return nil
}

// CheckID reports what is wrong with the id of an instance or a request, or nil.
func CheckID(what, id string) error {
	switch {
	case id == "":
		return fmt.Errorf("%w: the id of a %s is empty", failures.ErrBadCall, what)
	case len(id) > MaxID:
		return fmt.Errorf("%w: the id of a %s has %d bytes, at most %d; it begins with %.20q", failures.ErrTooLarge, what, len(id), MaxID, id)
	}
	return nil
}
