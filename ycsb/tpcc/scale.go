package tpcc

import (
	"errors"
	"fmt"
)

// Scale says how large the company is. In the zero value each field has its default, which is the standard's (clause 1.2.1).
//
// A smaller one is for tests and for machines that cannot wait: new orders then meet at fewer stocks, and payments at fewer
// customers, than the standard has it. Whatever the standard ties to these numbers is scaled with them: there are as many orders
// as customers in a district, of which 7 in 10 are delivered; and NURand's constants A keep about the same share of their range.
type Scale struct {
	_ struct{} `cbor:",toarray"`
	// Warehouses is their number. Default: 1. At most 10,000.
	Warehouses int
	// Districts is the number of districts of a warehouse. Default and at most: 10, as a stock has information for 10.
	Districts int
	// Customers is the number of customers of a district, and of its orders. Default and at most: 3,000. At least 10.
	Customers int
	// Items is the number of items, and of stocks of a warehouse. Default and at most: 100,000. At least 10.
	Items int
}

// The standard's numbers.
const (
	maxWarehouses    = 10_000
	fullDistricts    = 10
	fullCustomers    = 3000
	fullItems        = 100_000
	fullNames        = 1000 // last names
	openingPayment   = 10_00
	maxLines         = 15
	minLines         = 5
	historyPerPerson = 1
)

// Full is the scale of the standard for a number of warehouses.
func Full(warehouses int) Scale { return Scale{Warehouses: warehouses}.withDefaults() }

// Tiny is a scale that is loaded in an instant, for tests and examples.
func Tiny(warehouses int) Scale {
	return Scale{Warehouses: warehouses, Districts: 2, Customers: 30, Items: 100}
}

func (s Scale) withDefaults() Scale {
	s.Warehouses = defaultTo(s.Warehouses, 1)
	s.Districts = defaultTo(s.Districts, fullDistricts)
	s.Customers = defaultTo(s.Customers, fullCustomers)
	s.Items = defaultTo(s.Items, fullItems)
	return s
}

func defaultTo(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// Validate reports everything that is wrong with the scale, defaults filled in.
func (s Scale) Validate() error {
	s = s.withDefaults()
	var errs []error
	for _, number := range []struct {
		name     string
		n        int
		min, max int
	}{
		{"warehouses", s.Warehouses, 1, maxWarehouses}, {"districts", s.Districts, 1, fullDistricts},
		{"customers", s.Customers, 10, fullCustomers}, {"items", s.Items, 10, fullItems},
	} {
		if number.n < number.min || number.n > number.max {
			errs = append(errs, fmt.Errorf("tpcc: %d %s are not between %d and %d", number.n, number.name, number.min, number.max))
		}
	}
	return errors.Join(errs...)
}

// delivered is how many of a district's first orders are delivered: the standard's 2,100 of 3,000.
func (s Scale) delivered() int { return s.Customers * 7 / 10 }

// names is how many last names there are: the standard's 1,000, but no more than customers, as each has to be somebody's.
func (s Scale) names() int { return min(fullNames, s.Customers) }

// rows is how many rows a load makes.
func (s Scale) rows() int {
	perDistrict := 2 + s.names() + s.Customers*(1+historyPerPerson+1) + s.Customers - s.delivered()
	return s.Items + s.Warehouses*(2+s.Items+s.Districts*perDistrict)
}
