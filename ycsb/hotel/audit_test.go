package hotel

import (
	"testing"

	"github.com/concordat-dev/concordat/functions"
)

// Operations that do what no protocol may: they tamper with one instance.
var (
	tamperRooms       = functions.Update(Rooms, "tamper", tamperPlaces)
	tamperSeats       = functions.Update(Seats, "tamper", tamperPlaces)
	removeRooms       = functions.Delete(Rooms, "remove", func(*functions.Ctx, *Places) error { return nil })
	removeCustomer    = functions.Delete(Customers, "remove", func(*functions.Ctx, *Customer) error { return nil })
	tamperPassword    = functions.Update(Customers, "tamper password", func(_ *functions.Ctx, c *Customer, as string) error { c.Password = as; return nil })
	tamperMade        = functions.Update(Customers, "tamper made", func(_ *functions.Ctx, c *Customer, by int) error { c.Made += by; return nil })
	tamperCancelled   = functions.Update(Customers, "tamper cancelled", func(_ *functions.Ctx, c *Customer, by int) error { c.Cancelled += by; return nil })
	tamperReservation = functions.Update(Reservations, "tamper", func(_ *functions.Ctx, r *Reservation, as Reservation) error { *r = as; return nil })
)

func tamperPlaces(_ *functions.Ctx, p *Places, by Places) error {
	p.Capacity += by.Capacity
	p.Taken += by.Taken
	return nil
}

// reserveOne makes the reservation 1.1, of hotel 1 and flight 1, through a client.
func reserveOne(t *testing.T, w *Workload) {
	t.Helper()
	c := &client{workload: w, kind: KindReserve, journey: Journey{Customer: 1, Hotel: 1, Flight: 1}}
	if err := c.Do(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
}

// TestEachConditionCanFail: with one row tampered with, the audit names the condition, the place and both values.
func TestEachConditionCanFail(t *testing.T) {
	for _, tampering := range []struct {
		name  string
		calls []functions.Call
		wrong map[string]string // condition to place
	}{
		{"room lost", []functions.Call{tamperRooms.On("1", Places{Taken: -1})}, map[string]string{"pairs": "hotel 1"}},
		{"seat lost", []functions.Call{tamperSeats.On("1", Places{Taken: -1})}, map[string]string{"pairs": "flight 1"}},
		{"room too many", []functions.Call{tamperRooms.On("2", Places{Taken: 1})}, map[string]string{"pairs": "hotel 2"}},
		{"overbooked hotel", []functions.Call{tamperRooms.On("1", Places{Capacity: -3})}, map[string]string{"overbooked": "hotel 1"}},
		{"overbooked flight", []functions.Call{tamperSeats.On("1", Places{Capacity: -3})}, map[string]string{"overbooked": "flight 1"}},
		{"fewer than none", []functions.Call{tamperSeats.On("3", Places{Taken: -1})}, map[string]string{"overbooked": "flight 3"}},
		{"rooms gone", []functions.Call{removeRooms.On("1")}, map[string]string{"pairs": "hotel 1"}},
		{"customer gone", []functions.Call{removeCustomer.On("1")}, map[string]string{"customers": "customer 1"}},
		{"reservation gone", []functions.Call{DeleteReservation.On("1.1")}, map[string]string{
			"pairs": "hotel 1", "customers": "customer 1"}},
		{"reservation of nobody's", []functions.Call{AddReservation.On("1.77", Reservation{Hotel: 1, Flight: 1})}, map[string]string{
			"pairs": "hotel 1", "customers": "customer 1"}},
		{"other hotel", []functions.Call{tamperReservation.On("1.1", Reservation{Hotel: 0, Flight: 1})}, map[string]string{"pairs": "hotel 0"}},
		{"other flight", []functions.Call{tamperReservation.On("1.1", Reservation{Hotel: 1, Flight: 0})}, map[string]string{"pairs": "flight 0"}},
		{"made too often", []functions.Call{tamperMade.On("1", 1)}, map[string]string{"customers": "customer 1", "acknowledged": "customer 1"}},
		{"cancelled unasked", []functions.Call{tamperCancelled.On("1", 1)}, map[string]string{"customers": "customer 1", "acknowledged": "customer 1"}},
		{"all of it undone", []functions.Call{
			DeleteReservation.On("1.1"), GiveRoom.On("1", struct{}{}), GiveSeat.On("1", struct{}{}), tamperMade.On("1", -1),
		}, map[string]string{"acknowledged": "customer 1"}},
		{"all of it twice", []functions.Call{
			AddReservation.On("1.2", Reservation{Hotel: 1, Flight: 1}), TakeRoom.On("1", struct{}{}), TakeSeat.On("1", struct{}{}),
			tamperMade.On("1", 1),
		}, map[string]string{"acknowledged": "customer 1"}},
	} {
		t.Run(tampering.name, func(t *testing.T) {
			t.Parallel()
			w := loaded(t, Options{Scale: small})
			mustBeRight(t, w)
			reserveOne(t, w)
			mustBeRight(t, w)
			for _, call := range tampering.calls {
				if err := w.Engine().Do(t.Context(), call); err != nil {
					t.Fatal(err)
				}
			}
			wrong := audited(t, w).Wrong
			for condition, where := range tampering.wrong {
				if !mentions(wrong, condition, where) {
					t.Errorf("condition %s of %s is not among %v", condition, where, wrong)
				}
			}
		})
	}
}

// TestFiguresAreSums: the figures that the mix must not change do change when places appear.
func TestFiguresAreSums(t *testing.T) {
	w := loaded(t, Options{Scale: small})
	before := audited(t, w).Constant
	for i, call := range []functions.Call{
		tamperRooms.On("1", Places{Capacity: 4}), tamperRooms.On("1", Places{Taken: 2}), tamperRooms.On("0", Places{Taken: 3}),
	} {
		if err := w.Engine().Do(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		after := audited(t, w).Constant
		if want := []int64{4, 2, 5}[i]; after[i].Value-before[i].Value != want {
			t.Errorf("%s changed from %d to %d, want by %d", after[i].Name, before[i].Value, after[i].Value, want)
		}
	}
}

// TestRowsOutOfPlace: reservations of what there is not are an error of the audit.
func TestRowsOutOfPlace(t *testing.T) {
	for _, r := range []Reservation{{Hotel: 5}, {Hotel: -1}, {Flight: 4}} {
		w := loaded(t, Options{Scale: small})
		if err := w.Engine().Do(t.Context(), AddReservation.On("1.1", r)); err != nil {
			t.Fatal(err)
		}
		if a, err := w.Audit(t.Context(), noProgress); err == nil {
			t.Errorf("%+v: no error, but %v", r, a)
		}
	}
}
