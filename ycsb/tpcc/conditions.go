package tpcc

import (
	"fmt"
	"maps"
	"slices"

	"github.com/concordat-dev/concordat/ycsb"
)

// check checks all conditions. Of the twelve of clause 3.3.2 all apply: the delivery transaction is missing, so 5, 7, 10, 11 and 12
// are about the orders that are loaded as delivered, and that new orders and payments leave them alone.
//
// Two conditions are added that the standard does not have: "payments", that a customer's C_PAYMENT_CNT is the number of their
// history entries, and "stock", that S_YTD, S_ORDER_CNT and S_REMOTE_CNT are those of the order lines since the load. The second
// is what a lost compensation of a saga would break.
func (b *books) check() []error {
	v := b.found
	for w := range b.warehouses {
		b.checkWarehouse(&v, w)
	}
	for i := range b.stocks {
		b.checkStock(&v, i)
	}
	return v.Errors()
}

func (b *books) checkWarehouse(v *ycsb.Violations, w int) {
	books := &b.warehouses[w]
	where := fmt.Sprintf("warehouse %d", w+1)
	takings := int64(0)
	for d := range books.districts {
		takings += books.districts[d].taken
	}
	v.Differ("1", where, "W_YTD", books.taken, "sum(D_YTD)", takings)
	v.Differ("8", where, "W_YTD", books.taken, "sum(H_AMOUNT)", books.history)
	for d := range books.districts {
		where := fmt.Sprintf("%s, district %d", where, d+1)
		b.checkDistrict(v, where, &books.districts[d])
		for c := range books.districts[d].customers {
			checkCustomer(v, where, c+1, &books.districts[d].customers[c])
		}
	}
}

func (b *books) checkDistrict(v *ycsb.Violations, where string, d *districtBooks) {
	v.Differ("2", where, "D_NEXT_O_ID - 1", int64(d.next-1), "max(O_ID)", int64(largest(d.orders)))
	if len(d.waiting) > 0 { // otherwise the conditions say nothing of it
		v.Differ("2", where, "D_NEXT_O_ID - 1", int64(d.next-1), "max(NO_O_ID)", int64(largest(d.waiting)))
		v.Differ("3", where, "max(NO_O_ID) - min(NO_O_ID) + 1", int64(largest(d.waiting)-smallest(d.waiting)+1),
			"number of its new orders", int64(len(d.waiting)))
	}
	v.Differ("4", where, "sum(O_OL_CNT)", d.count, "number of its order lines", d.lines)
	for _, number := range slices.Sorted(maps.Keys(d.orders)) {
		v.Differ("5", fmt.Sprintf("%s, order %d", where, number), "O_CARRIER_ID is null (1: yes)", truth(d.orders[number]),
			"there is a new order", truth(d.waiting[number]))
	}
	v.Differ("9", where, "D_YTD", d.taken, "sum(H_AMOUNT)", d.history)
	v.Differ("11", where, "number of its orders less its new orders", int64(len(d.orders)-len(d.waiting)),
		"number of orders loaded as delivered", int64(b.scale.delivered()))
}

func checkCustomer(v *ycsb.Violations, where string, number int, c *customerBooks) {
	if *c == (customerBooks{}) {
		v.Differ("payments", fmt.Sprintf("%s, customer %d", where, number), "number of rows", 0, "what was loaded", 1)
		return
	}
	if c.balance == c.delivered-c.history && c.balance+c.paid == c.delivered && c.payments == c.entries {
		return
	}
	where = fmt.Sprintf("%s, customer %d", where, number)
	v.Differ("10", where, "C_BALANCE", c.balance, "sum(OL_AMOUNT) - sum(H_AMOUNT)", c.delivered-c.history)
	v.Differ("12", where, "C_BALANCE + C_YTD_PAYMENT", c.balance+c.paid, "sum(OL_AMOUNT)", c.delivered)
	v.Differ("payments", where, "C_PAYMENT_CNT", c.payments, "number of history entries", c.entries)
}

func (b *books) checkStock(v *ycsb.Violations, i int) {
	s := b.stocks[i]
	if s.there && s.sold == s.linesSold && s.orders == s.lines && s.remotes == s.linesRemote {
		return
	}
	where := fmt.Sprintf("warehouse %d, item %d", i/b.scale.Items+1, i%b.scale.Items+1)
	v.Differ("stock", where, "number of rows", truth(s.there), "what was loaded", 1)
	v.Differ("stock", where, "S_YTD", s.sold, "sum(OL_QUANTITY) of new orders", s.linesSold)
	v.Differ("stock", where, "S_ORDER_CNT", s.orders, "number of lines of new orders", s.lines)
	v.Differ("stock", where, "S_REMOTE_CNT", s.remotes, "number of lines of remote new orders", s.linesRemote)
}

func largest(numbers map[int]bool) (n int) {
	for number := range numbers {
		n = max(n, number)
	}
	return n
}

func smallest(numbers map[int]bool) int {
	n := largest(numbers)
	for number := range numbers {
		n = min(n, number)
	}
	return n
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
