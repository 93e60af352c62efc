package hotel

import (
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/saga"
	"github.com/concordat-dev/concordat/twopc"
)

// Journey is the input of the reservations: who wants a room in which hotel and a seat on which flight.
type Journey struct {
	_                       struct{} `cbor:",toarray"`
	Customer, Hotel, Flight int
}

// ReserveTx reserves a room and a seat in a serializable transaction and returns the number of the reservation among the
// customer's. All take the room first, then the seat, then the customer, so they have no deadlocks.
var ReserveTx = twopc.NewReturning("hotel/reserve", func(tx *twopc.Tx, j Journey) (number int, err error) {
	if err := tx.Do(j.takeRoom()); err != nil {
		return 0, err
	}
	if err := tx.Do(j.takeSeat()); err != nil {
		return 0, err
	}
	if err := tx.Do(j.count(&number)); err != nil {
		return 0, err
	}
	return number, tx.Do(j.add(number))
})

// ReserveSaga reserves them in a saga: a room that was taken is given back if there is no seat. Once both are taken and the
// customer has counted the reservation nothing can fail any more.
var ReserveSaga = saga.NewReturning("hotel/reserve-saga", func(s *saga.Run, j Journey) (number int, err error) {
	if err := s.Do(j.takeRoom(), GiveRoom.On(ID(j.Hotel), struct{}{})); err != nil {
		return 0, err
	}
	if err := s.Do(j.takeSeat(), GiveSeat.On(ID(j.Flight), struct{}{})); err != nil {
		return 0, err
	}
	if err := s.Do(j.count(&number), saga.NoUndo); err != nil {
		return 0, err
	}
	return number, s.Do(j.add(number), saga.NoUndo)
})

func (j Journey) takeRoom() functions.Call { return TakeRoom.On(ID(j.Hotel), struct{}{}) }

func (j Journey) takeSeat() functions.Call { return TakeSeat.On(ID(j.Flight), struct{}{}) }

func (j Journey) count(number *int) functions.Call {
	return CountMade.On(ID(j.Customer), struct{}{}).Into(number)
}

func (j Journey) add(number int) functions.Call {
	return AddReservation.On(ReservationID(j.Customer, number), Reservation{Hotel: j.Hotel, Flight: j.Flight})
}

// Made names a reservation: the input of the cancellations.
type Made struct {
	_                struct{} `cbor:",toarray"`
	Customer, Number int
}

func (m Made) id() string { return ReservationID(m.Customer, m.Number) }

// giveBack are the calls after the reservation is deleted. None of them can fail.
func (m Made) giveBack(r Reservation) []functions.Call {
	return []functions.Call{
		GiveRoom.On(ID(r.Hotel), struct{}{}), GiveSeat.On(ID(r.Flight), struct{}{}), CountLess.On(ID(m.Customer), struct{}{}),
	}
}

// CancelTx cancels a reservation in a serializable transaction. One that does not exist is functions.ErrNotFound. It takes locks
// in the order of [ReserveTx]; that it has the reservation's before is no matter, as nobody else who wants that one holds any.
var CancelTx = twopc.New("hotel/cancel", func(tx *twopc.Tx, m Made) error {
	r, err := twopc.Ask(tx, ReadReservation.On(m.id()))
	if err != nil {
		return err
	}
	if err := tx.Do(DeleteReservation.On(m.id())); err != nil {
		return err
	}
	for _, call := range m.giveBack(r) {
		if err := tx.Do(call); err != nil {
			return err
		}
	}
	return nil
})

// CancelSaga cancels it in a saga. Of several that cancel the same one, one can delete it; the others have done nothing.
var CancelSaga = saga.New("hotel/cancel-saga", func(s *saga.Run, m Made) error {
	r, err := saga.Ask(s, ReadReservation.On(m.id()))
	if err != nil {
		return err
	}
	if err := s.Do(DeleteReservation.On(m.id()), saga.NoUndo); err != nil {
		return err
	}
	return s.All(withoutUndo(m.giveBack(r))...)
})

// withoutUndo makes steps without a compensation.
func withoutUndo(calls []functions.Call) []saga.Step {
	steps := make([]saga.Step, len(calls))
	for i, call := range calls {
		steps[i] = saga.Step{Do: call, Undo: saga.NoUndo}
	}
	return steps
}
