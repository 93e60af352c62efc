package hotel

import (
	"fmt"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Offer is a hotel with free rooms.
type Offer struct {
	_       struct{} `cbor:",toarray"`
	Hotel   int
	Profile Profile
	Free    int // rooms; a recommendation does not look
}

// By is what a recommendation goes by.
type By int

// The ways to recommend a hotel.
const (
	ByDistance By = iota // the nearest
	ByStars              // those with the most stars
	ByPrice              // the cheapest
)

// Taste is the input of the recommendations. Region matters for [ByDistance] only.
type Taste struct {
	_      struct{} `cbor:",toarray"`
	By     By
	Region int
}

// hotels is the question for the recommended hotels.
func (t Taste) hotels() (functions.Query[[]int], error) {
	switch t.By {
	case ByDistance:
		return Nearest.On(ID(t.Region)), nil
	case ByStars, ByPrice:
		return Best.On(rankingID(t.By)), nil
	}
	return functions.Query[[]int]{}, fmt.Errorf("%w: there is no recommendation by %d", functions.ErrBadArgument, t.By)
}

func rankingID(by By) string {
	if by == ByStars {
		return "stars"
	}
	return "price"
}

// SearchTx finds the hotels nearest to a region that have free rooms, all as of one moment.
var SearchTx = twopc.NewReturning("hotel/search", func(tx *twopc.Tx, region int) ([]Offer, error) {
	hotels, err := twopc.Ask(tx, Nearest.On(ID(region)))
	if err != nil {
		return nil, err
	}
	l := newLook(hotels)
	if err := tx.All(append(l.rooms(), l.profiles()...)...); err != nil {
		return nil, err
	}
	return l.offers(), nil
})

// SearchSaga finds them, each as of its own moment.
var SearchSaga = saga.NewReturning("hotel/search-saga", func(s *saga.Run, region int) ([]Offer, error) {
	hotels, err := saga.Ask(s, Nearest.On(ID(region)))
	if err != nil {
		return nil, err
	}
	l := newLook(hotels)
	if err := s.All(withoutUndo(append(l.rooms(), l.profiles()...))...); err != nil {
		return nil, err
	}
	return l.offers(), nil
})

// RecommendTx returns the profiles of the best hotels.
var RecommendTx = twopc.NewReturning("hotel/recommend", func(tx *twopc.Tx, t Taste) ([]Offer, error) {
	question, err := t.hotels()
	if err != nil {
		return nil, err
	}
	hotels, err := twopc.Ask(tx, question)
	if err != nil {
		return nil, err
	}
	l := newLook(hotels)
	return l.found, tx.All(l.profiles()...)
})

// RecommendSaga returns them as a saga.
var RecommendSaga = saga.NewReturning("hotel/recommend-saga", func(s *saga.Run, t Taste) ([]Offer, error) {
	question, err := t.hotels()
	if err != nil {
		return nil, err
	}
	hotels, err := saga.Ask(s, question)
	if err != nil {
		return nil, err
	}
	l := newLook(hotels)
	return l.found, s.All(withoutUndo(l.profiles())...)
})

// look is what is found out about some hotels.
type look struct {
	found  []Offer
	places []Places
}

func newLook(hotels []int) *look {
	l := &look{found: make([]Offer, len(hotels)), places: make([]Places, len(hotels))}
	for i, hotel := range hotels {
		l.found[i].Hotel = hotel
	}
	return l
}

func (l *look) rooms() []functions.Call {
	calls := make([]functions.Call, len(l.found), 2*len(l.found))
	for i, o := range l.found {
		calls[i] = ReadRooms.On(ID(o.Hotel)).Into(&l.places[i])
	}
	return calls
}

func (l *look) profiles() []functions.Call {
	calls := make([]functions.Call, len(l.found))
	for i, o := range l.found {
		calls[i] = ReadProfile.On(ID(o.Hotel)).Into(&l.found[i].Profile)
	}
	return calls
}

// offers are the hotels with free rooms.
func (l *look) offers() []Offer {
	free := l.found[:0]
	for i, o := range l.found {
		if o.Free = l.places[i].Free(); o.Free > 0 {
			free = append(free, o)
		}
	}
	return free
}
