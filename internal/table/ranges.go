package table

import (
	"bytes"
	"slices"
)

// keyRange is the keys from lower (included) to upper (excluded).
type keyRange struct{ lower, upper []byte }

// ranges are ranges of keys in their order, none of which meets another.
type ranges []keyRange

// add adds a range, and makes one of it and those that it meets.
func (all *ranges) add(r keyRange) {
	from, _ := slices.BinarySearchFunc(*all, r.lower, func(other keyRange, lower []byte) int { return bytes.Compare(other.upper, lower) })
	to := from
	for ; to < len(*all) && bytes.Compare((*all)[to].lower, r.upper) <= 0; to++ {
		met := (*all)[to]
		if bytes.Compare(met.lower, r.lower) < 0 {
			r.lower = met.lower
		}
		if bytes.Compare(met.upper, r.upper) > 0 {
			r.upper = met.upper
		}
	}
	*all = slices.Replace(*all, from, to, r)
}

// hide reports whether a key is in one of them.
func (all ranges) hide(key []byte) bool {
	if len(all) == 0 {
		return false
	}
	i, found := slices.BinarySearchFunc(all, key, func(r keyRange, key []byte) int { return bytes.Compare(r.lower, key) })
	if !found {
		i--
	}
	return i >= 0 && bytes.Compare(key, all[i].upper) < 0
}
