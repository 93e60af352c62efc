package tpcc

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
)

// population makes the rows of the initial database, clause 4.3.3. All choices come from rng.
type population struct {
	scale     Scale
	constants constants
	rng       *rand.Rand
	now       int64 // Unix nanoseconds: when everything so far happened
}

func (p *population) item() Item {
	return Item{
		Image: between(p.rng, 1, 10_000), Name: randomText(p.rng, letters, 14, 24),
		Price: int64(between(p.rng, 1_00, 100_00)), Data: randomData(p.rng),
	}
}

func (p *population) stock() Stock {
	return Stock{
		Quantity: between(p.rng, minQuantity, 100),
		Info:     randomText(p.rng, letters, fullDistricts*infoBytes, fullDistricts*infoBytes),
		Data:     randomData(p.rng),
	}
}

func (p *population) place(name string) Place {
	return Place{
		Name: name, Street1: randomText(p.rng, letters, 10, 20), Street2: randomText(p.rng, letters, 10, 20),
		City: randomText(p.rng, letters, 10, 20), State: strings.ToUpper(randomText(p.rng, letters[:26], 2, 2)),
		Zip: randomText(p.rng, digits, 4, 4) + "11111",
	}
}

// warehouse has the takings of its districts, and those the opening payments of their customers.
func (p *population) warehouse() Taker {
	t := p.district()
	t.Taken *= int64(p.scale.Districts)
	return t
}

func (p *population) district() Taker {
	return Taker{Place: p.place(randomText(p.rng, letters, 6, 10)), Taken: int64(p.scale.Customers) * openingPayment}
}

func (p *population) tax() int { return between(p.rng, 0, 2000) }

// customer makes the customer of a number; the first ones have each last name once.
func (p *population) customer(number int) Customer {
	name := number - 1
	if names := p.scale.names(); name >= names {
		name = newNURand(namesA, fullNames, p.constants.LoadName, 0, names-1).draw(p.rng)
	}
	credit := "GC"
	if p.rng.IntN(10) == 0 {
		credit = badCredit
	}
	return Customer{
		First: randomText(p.rng, letters, 8, 16), Middle: "OE", Last: lastName(name), Place: p.place(""),
		Phone: randomText(p.rng, digits, 16, 16), Since: p.now / 1e9, Credit: credit, Limit: 50_000_00,
		Discount: between(p.rng, 0, 5000), Balance: -openingPayment, Paid: openingPayment, Payments: historyPerPerson,
		Data: randomText(p.rng, letters, 300, 500),
	}
}

// order makes the order of a number by a customer. The first ones are delivered, and free of charge.
func (p *population) order(warehouse, number, customer int) Order {
	o := Order{Customer: customer, At: p.now, Count: between(p.rng, minLines, maxLines), AllLocal: true}
	delivered := number <= p.scale.delivered()
	if delivered {
		o.Carrier = between(p.rng, 1, 10)
	}
	for range o.Count {
		l := OrderLine{
			Item: between(p.rng, 1, p.scale.Items), Supplier: warehouse, Quantity: 5,
			Info: randomText(p.rng, letters, infoBytes, infoBytes),
		}
		if delivered {
			l.Delivered = p.now
		} else {
			l.Amount = int64(between(p.rng, 1, 9_999_99))
		}
		o.Lines = append(o.Lines, l)
	}
	return o
}

// index collects the customers of a district by last name.
type index map[string][]named

type named struct {
	first  string
	number int
}

func (x index) add(number int, c Customer) { x[c.Last] = append(x[c.Last], named{c.First, number}) }

// numbers returns the customers of a name in the order of their first names.
func (x index) numbers(last string) []int {
	slices.SortFunc(x[last], func(a, b named) int {
		return cmp.Or(strings.Compare(a.first, b.first), cmp.Compare(a.number, b.number))
	})
	numbers := make([]int, len(x[last]))
	for i, n := range x[last] {
		numbers[i] = n.number
	}
	return numbers
}
