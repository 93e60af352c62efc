package tpcc

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/concordat-dev/concordat/ycsb"
)

// books are what an audit has read, added up the way that the conditions need it.
type books struct {
	scale      Scale
	warehouses []warehouseBooks
	stocks     []stockBooks // of all warehouses, by warehouse and item
	orders     int64        // all of them
	newOrders  int64
	entries    int64
	found      ycsb.Violations // what single rows showed
}

type warehouseBooks struct {
	taken     int64 // W_YTD
	history   int64 // sum of H_AMOUNT that was paid there
	districts []districtBooks
}

type districtBooks struct {
	taken     int64
	history   int64
	next      int          // D_NEXT_O_ID
	orders    map[int]bool // by number: O_CARRIER_ID is null
	waiting   map[int]bool // NO_O_ID
	count     int64        // sum of O_OL_CNT
	lines     int64
	customers []customerBooks
}

type customerBooks struct {
	balance, paid int64
	payments      int64
	delivered     int64 // sum of OL_AMOUNT of delivered lines
	history       int64 // sum of H_AMOUNT that the customer paid
	entries       int64
}

// stockBooks compare what a stock says with the lines of the orders that were made since the load.
type stockBooks struct {
	there                 bool
	sold, orders, remotes int64
	linesSold, lines      int64
	linesRemote           int64
}

func newBooks(s Scale) *books {
	b := &books{scale: s, stocks: make([]stockBooks, s.Warehouses*s.Items)}
	for range s.Warehouses {
		w := warehouseBooks{}
		for range s.Districts {
			w.districts = append(w.districts, districtBooks{
				orders: make(map[int]bool, s.Customers), waiting: make(map[int]bool, s.Customers),
				customers: make([]customerBooks, s.Customers),
			})
		}
		b.warehouses = append(b.warehouses, w)
	}
	return b
}

// parseID is the inverse of [ID] for ids of n numbers.
func parseID(id string, n int) ([]int, error) {
	parts := strings.Split(id, ".")
	if len(parts) != n {
		return nil, fmt.Errorf("tpcc: the id %q has %d numbers, not %d", id, len(parts), n)
	}
	numbers := make([]int, n)
	for i, part := range parts {
		var err error
		if numbers[i], err = strconv.Atoi(part); err != nil {
			return nil, fmt.Errorf("tpcc: the id %q: %w", id, err)
		}
	}
	return numbers, nil
}

// warehouse finds a warehouse by its number, district a district, customer a customer; an error tells that there is none.
func (b *books) warehouse(w int) (*warehouseBooks, error) {
	if w < 1 || w > len(b.warehouses) {
		return nil, fmt.Errorf("tpcc: there is no warehouse %d", w)
	}
	return &b.warehouses[w-1], nil
}

func (b *books) district(w, d int) (*districtBooks, error) {
	warehouse, err := b.warehouse(w)
	if err != nil {
		return nil, err
	}
	if d < 1 || d > len(warehouse.districts) {
		return nil, fmt.Errorf("tpcc: warehouse %d has no district %d", w, d)
	}
	return &warehouse.districts[d-1], nil
}

func (b *books) customer(w, d, c int) (*customerBooks, error) {
	district, err := b.district(w, d)
	if err != nil {
		return nil, err
	}
	if c < 1 || c > len(district.customers) {
		return nil, fmt.Errorf("tpcc: district %d of warehouse %d has no customer %d", d, w, c)
	}
	return &district.customers[c-1], nil
}

func (b *books) stock(w, item int) (*stockBooks, error) {
	if _, err := b.warehouse(w); err != nil {
		return nil, err
	}
	if item < 1 || item > b.scale.Items {
		return nil, fmt.Errorf("tpcc: there is no item %d", item)
	}
	return &b.stocks[(w-1)*b.scale.Items+item-1], nil
}

func (b *books) addWarehouse(id []int, t Taker) error {
	w, err := b.warehouse(id[0])
	if err == nil {
		w.taken = t.Taken
	}
	return err
}

func (b *books) addDistrict(id []int, t Taker) error {
	d, err := b.district(id[0], id[1])
	if err == nil {
		d.taken = t.Taken
	}
	return err
}

func (b *books) addCounter(id []int, c Counter) error {
	d, err := b.district(id[0], id[1])
	if err == nil {
		d.next = c.Next
	}
	return err
}

func (b *books) addCustomer(id []int, as Customer) error {
	c, err := b.customer(id[0], id[1], id[2])
	if err == nil {
		c.balance, c.paid, c.payments = as.Balance, as.Paid, int64(as.Payments)
	}
	return err
}

// addEntry adds a payment to the takings of where it was paid, and to what its customer paid.
func (b *books) addEntry(id []int, e Entry) error {
	c, err := b.customer(id[0], id[1], id[2])
	if err != nil {
		return err
	}
	d, err := b.district(e.Warehouse, e.District)
	if err != nil {
		return err
	}
	b.entries++
	b.warehouses[e.Warehouse-1].history += e.Amount
	d.history += e.Amount
	c.history += e.Amount
	c.entries++
	return nil
}

func (b *books) addNewOrder(id []int, _ struct{}) error {
	d, err := b.district(id[0], id[1])
	if err == nil {
		d.waiting[id[2]] = true
		b.newOrders++
	}
	return err
}

func (b *books) addStock(id []int, s Stock) error {
	stock, err := b.stock(id[0], id[1])
	if err != nil {
		return err
	}
	stock.there = true
	stock.sold, stock.orders, stock.remotes = int64(s.Sold), int64(s.Orders), int64(s.Remotes)
	nearest := min(max(s.Quantity, minQuantity), minQuantity+refill-1)
	where := fmt.Sprintf("warehouse %d, item %d", id[0], id[1])
	b.found.Differ("stock", where, "S_QUANTITY", int64(s.Quantity), "the nearest allowed", int64(nearest))
	return nil
}

// addOrder adds an order, and checks the conditions on single orders: 6 and 7.
func (b *books) addOrder(id []int, o Order) error {
	d, err := b.district(id[0], id[1])
	if err != nil {
		return err
	}
	c, err := b.customer(id[0], id[1], o.Customer)
	if err != nil {
		return err
	}
	b.orders++
	d.orders[id[2]] = o.Carrier == 0
	d.count += int64(o.Count)
	d.lines += int64(len(o.Lines))
	where := fmt.Sprintf("warehouse %d, district %d, order %d", id[0], id[1], id[2])
	b.found.Differ("6", where, "O_OL_CNT", int64(o.Count), "number of its order lines", int64(len(o.Lines)))
	delivered := int64(0)
	for _, l := range o.Lines {
		if l.Delivered != 0 {
			delivered++
			c.delivered += l.Amount
		}
		if err := b.addLine(id, l); err != nil {
			return err
		}
	}
	all := int64(0)
	if o.Carrier != 0 {
		all = int64(len(o.Lines))
	}
	b.found.Differ("7", where, "number of its lines with OL_DELIVERY_D", delivered, "number by O_CARRIER_ID", all)
	return nil
}

// addLine notes what a line of an order took from its stock. What was ordered before the load left no trace there.
func (b *books) addLine(order []int, l OrderLine) error {
	s, err := b.stock(l.Supplier, l.Item)
	if err != nil || order[2] <= b.scale.Customers {
		return err
	}
	s.lines++
	s.linesSold += int64(l.Quantity)
	if l.Supplier != order[0] {
		s.linesRemote++
	}
	return nil
}
