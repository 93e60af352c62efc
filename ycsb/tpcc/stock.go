package tpcc

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
)

// Item is a row of the item table.
type Item struct {
	_     struct{} `cbor:",toarray"`
	Image int
	Name  string
	Price int64 // cents
	Data  string
}

// Items are what is sold. They never change, so new orders share their locks.
var (
	Items     = functions.NewType[Item]("tpcc/item")
	AddItem   = functions.Create(Items, "add", func(_ *functions.Ctx, i *Item, as Item) error { *i = as; return nil })
	ReadOffer = functions.View(Items, "offer", readOffer)
)

// Offer is what a new order needs of an item.
type Offer struct {
	_        struct{} `cbor:",toarray"`
	Name     string
	Price    int64
	Original bool
}

func readOffer(_ *functions.Ctx, i Item) (Offer, error) {
	return Offer{Name: i.Name, Price: i.Price, Original: isOriginal(i.Data)}, nil
}

// Stock is a row of the stock table. The information of the districts is one string of 10 times 24 characters: it is read and
// written with the row in each order line, and one string costs a tenth of ten.
type Stock struct {
	_        struct{} `cbor:",toarray"`
	Quantity int
	Sold     int // S_YTD
	Orders   int // S_ORDER_CNT
	Remotes  int // S_REMOTE_CNT
	Info     string
	Data     string
}

// infoBytes is the length of a district's information.
const infoBytes = 24

// Stocks are what warehouses have of the items.
var (
	Stocks    = functions.NewType[Stock]("tpcc/stock")
	AddStock  = functions.Create(Stocks, "add", func(_ *functions.Ctx, s *Stock, as Stock) error { *s = as; return nil })
	TakeStock = functions.UpdateReturning(Stocks, "take", takeStock)
	PutBack   = functions.Update(Stocks, "put back", putBack)
	ReadStock = functions.View(Stocks, "read", func(_ *functions.Ctx, s Stock) (Stock, error) { return s, nil })
)

// Taking is what an order line takes from a stock. Remote: the order is another warehouse's.
type Taking struct {
	_                  struct{} `cbor:",toarray"`
	District, Quantity int
	Remote             bool
}

// Taken is what an order line notes of a stock.
type Taken struct {
	_        struct{} `cbor:",toarray"`
	Info     string
	Quantity int // what is left
	Original bool
}

// The quantity of a stock is 10 to 100 at any time: 91 numbers.
const (
	minQuantity = 10
	refill      = 91
	maxPerLine  = 10
)

// takeStock takes a quantity; a stock that would fall under 10 is filled up by 91 (clause 2.4.2.2).
func takeStock(_ *functions.Ctx, s *Stock, t Taking) (Taken, error) {
	if t.Quantity < 1 || t.Quantity > maxPerLine || t.District < 1 || t.District*infoBytes > len(s.Info) {
		return Taken{}, fmt.Errorf("%w: %d for district %d", functions.ErrBadArgument, t.Quantity, t.District)
	}
	if s.Quantity -= t.Quantity; s.Quantity < minQuantity {
		s.Quantity += refill
	}
	s.count(t, 1)
	return Taken{Info: s.Info[(t.District-1)*infoBytes : t.District*infoBytes], Quantity: s.Quantity, Original: isOriginal(s.Data)}, nil
}

// putBack is the compensation of takeStock. Whether the stock was filled up since need not be known: quantities are 10 to 100,
// and taking and filling up change them modulo 91, in which putting back is exact, whatever came in between.
func putBack(_ *functions.Ctx, s *Stock, t Taking) error {
	if s.Quantity += t.Quantity; s.Quantity >= minQuantity+refill {
		s.Quantity -= refill
	}
	s.count(t, -1)
	return nil
}

// count adds n order lines.
func (s *Stock) count(t Taking, n int) {
	s.Sold += n * t.Quantity
	s.Orders += n
	if t.Remote {
		s.Remotes += n
	}
}
