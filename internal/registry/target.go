package registry

import "github.com/concordat-dev/concordat/internal/format"

// MayBeOf reports whether the row of an outcome of before format version 5 may be of a request for something. An id belonged to no instance
// and no coordinator function then: of two requests with one id the second was the first, or refused. So the key has the id alone, and
// the row a hash of the rest; the oldest rows have one that tells nobody.
func (r *Registry) MayBeOf(row format.Outcome, of format.Request) bool {
	is := func(target uint64) bool {
		switch {
		case row.IsOld():
			return true
		case row.IsWide():
			return row.Fingerprint() == target
		}
		return row.Tag()&^shapeMask == target&^shapeMask
	}
	name := r.names[of.Name]
	if of.Instance == "" {
		return is(r.Coordinators[name].target)
	}
	for operation := range r.Types[r.TypesByName[name]].ops {
		if is(TargetOf(name, operation, of.Instance)) {
			return true
		}
	}
	return false
}
