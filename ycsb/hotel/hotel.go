// Package hotel is the reservation of journeys over stateful functions: a hotel room and a flight seat together or neither, among
// searches for hotels. It is the travel application of DeathStarBench (Gan et al., ASPLOS 2019) in the form in which Beldi (Zhang
// et al., OSDI 2020) made a transaction of it, each operation as a serializable transaction and as a saga, with a [Workload] that
// drives and audits them.
//
// A hotel has a profile that never changes ([Hotels]) and rooms ([Rooms]); a flight has seats ([Seats]). Rooms and seats are
// [Places]: so many, of which some are taken. A customer ([Customers]) makes reservations ([Reservations]), each of a room and a
// seat. A region ([Regions]) knows the hotels nearest to it, a ranking ([Rankings]) the best.
//
// The operations are
//
//   - search: the nearest hotels that have rooms, with their profiles;
//   - recommend: the hotels that are best by distance, by rate or by price;
//   - login: a customer's password;
//   - reserve: a room and a seat. One of them taken up is [ErrBookedUp], and the other is free again;
//   - cancel: a reservation of the same client. Neither origin has it; without it a long run would only fill the hotels up.
//
// # Differences
//
// Beldi's published code checks the capacity but never lowers it, and notes no reservation within the transaction. Here capacity
// is finite and every reservation is a row, so that it can be audited. Stays have no dates: a room is taken until it is cancelled.
// Hotels and flights are drawn from a normal distribution, as Beldi's paper has it (its published driver draws them uniformly):
// the paper gives no parameters, here the mean is the middle and the standard deviation a tenth of their number, see [Options].
//
// # Protocols
//
// As transactions, all operations are serializable: a search sees all rooms of one moment. As sagas, a reservation takes the room,
// then the seat, and gives the room back if there is no seat; meanwhile others see the room taken. Last comes what cannot be
// undone, the customer's number of the reservation, and the reservation itself. A cancellation first deletes the reservation,
// which one of any number of them can, and then only gives back. So all conditions hold once no saga is under way, under both
// protocols; that no hotel and no flight is overbooked holds at every moment.
//
// Start reading at reserve.go, then workload.go and audit.go.
package hotel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/concordat-dev/concordat/functions"
)

// ErrBookedUp: the hotel has no room, or the flight no seat.
const ErrBookedUp functions.Failure = "hotel: booked up"

// Parts are what an engine needs to run all operations under both protocols.
func Parts() []functions.Part {
	return []functions.Part{
		Everything, Hotels, Rooms, Seats, Customers, Reservations, Regions, Rankings,
		SearchTx, SearchSaga, RecommendTx, RecommendSaga, ReserveTx, ReserveSaga, CancelTx, CancelSaga,
	}
}

// ID makes the id of an instance of its number: of a hotel, of a flight, of a customer, of a region. They count from 0.
func ID(number int) string { return strconv.Itoa(number) }

// ReservationID makes the id of a reservation of its customer and its number among theirs, which counts from 1.
func ReservationID(customer, number int) string {
	return strconv.Itoa(customer) + "." + strconv.Itoa(number)
}

// Profile is what people read of a hotel.
type Profile struct {
	_           struct{} `cbor:",toarray"`
	Name, Phone string
	X, Y        float64 // where it is, in a square from 0 to 1
	Stars       int     // 1 to 5
	Price       int64   // of a night, in cents
}

// Hotels have profiles that never change, so that readers share their locks.
var (
	Hotels      = functions.NewType[Profile]("hotel/hotel")
	Open        = functions.Create(Hotels, "open", func(_ *functions.Ctx, p *Profile, as Profile) error { *p = as; return nil })
	ReadProfile = functions.View(Hotels, "profile", func(_ *functions.Ctx, p Profile) (Profile, error) { return p, nil })
)

// Places are rooms of a hotel or seats of a flight.
type Places struct {
	_               struct{} `cbor:",toarray"`
	Capacity, Taken int
}

// Free is how many are not taken.
func (p Places) Free() int { return p.Capacity - p.Taken }

// Rooms are the places of hotels, Seats those of flights.
var (
	Rooms     = functions.NewType[Places]("hotel/rooms")
	AddRooms  = functions.Create(Rooms, "add", add)
	TakeRoom  = functions.Update(Rooms, "take", take)
	GiveRoom  = functions.Update(Rooms, "give", give)
	ReadRooms = functions.View(Rooms, "read", readPlaces)

	Seats     = functions.NewType[Places]("hotel/seats")
	AddSeats  = functions.Create(Seats, "add", add)
	TakeSeat  = functions.Update(Seats, "take", take)
	GiveSeat  = functions.Update(Seats, "give", give)
	ReadSeats = functions.View(Seats, "read", readPlaces)
)

func add(_ *functions.Ctx, p *Places, capacity int) error {
	p.Capacity = capacity
	return nil
}

func take(ctx *functions.Ctx, p *Places, _ struct{}) error {
	if p.Free() <= 0 {
		return fmt.Errorf("%w: %s: all %d", ErrBookedUp, ctx.Self(), p.Capacity)
	}
	p.Taken++
	return nil
}

// give is the compensation of take, and what a cancellation does.
func give(ctx *functions.Ctx, p *Places, _ struct{}) error {
	if p.Taken == 0 {
		return fmt.Errorf("%w: %s: nothing is taken", functions.ErrBadArgument, ctx.Self())
	}
	p.Taken--
	return nil
}

func readPlaces(_ *functions.Ctx, p Places) (Places, error) { return p, nil }

// Customer makes reservations.
type Customer struct {
	_         struct{} `cbor:",toarray"`
	Password  string   // its SHA-256, as in DeathStarBench; see [HashPassword]
	Made      int      // reservations so far
	Cancelled int      // of these
}

// Customers are who makes reservations.
var (
	Customers     = functions.NewType[Customer]("hotel/customer")
	AddCustomer   = functions.Create(Customers, "add", addCustomer)
	CheckPassword = functions.View1(Customers, "check", checkPassword)
	CountMade     = functions.UpdateReturning(Customers, "made", countMade)
	CountLess     = functions.Update(Customers, "cancelled", countCancelled)
	ReadCustomer  = functions.View(Customers, "read", func(_ *functions.Ctx, c Customer) (Customer, error) { return c, nil })
)

// HashPassword is how passwords are kept: this is a benchmark, not an example of how to keep passwords.
func HashPassword(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

func addCustomer(_ *functions.Ctx, c *Customer, password string) error {
	c.Password = password
	return nil
}

func checkPassword(_ *functions.Ctx, c Customer, password string) (bool, error) {
	return HashPassword(password) == c.Password, nil
}

// countMade counts a reservation and returns its number.
func countMade(_ *functions.Ctx, c *Customer, _ struct{}) (int, error) {
	c.Made++
	return c.Made, nil
}

func countCancelled(_ *functions.Ctx, c *Customer, _ struct{}) error {
	c.Cancelled++
	return nil
}

// Reservation is a room and a seat.
type Reservation struct {
	_             struct{} `cbor:",toarray"`
	Hotel, Flight int
}

// Reservations are made by a customer; a cancelled one is deleted.
var (
	Reservations      = functions.NewType[Reservation]("hotel/reservation")
	AddReservation    = functions.Create(Reservations, "add", addReservation)
	DeleteReservation = functions.Delete(Reservations, "delete", func(*functions.Ctx, *Reservation) error { return nil })
	ReadReservation   = functions.View(Reservations, "read", func(_ *functions.Ctx, r Reservation) (Reservation, error) { return r, nil })
)

func addReservation(_ *functions.Ctx, r *Reservation, as Reservation) error {
	*r = as
	return nil
}

// Regions know the hotels nearest to them, the nearest first; Rankings, "stars" and "price", the best. Neither ever changes.
var (
	Regions    = functions.NewType[[]int]("hotel/region")
	AddRegion  = functions.Create(Regions, "add", setHotels)
	Nearest    = functions.View(Regions, "nearest", readHotels)
	Rankings   = functions.NewType[[]int]("hotel/ranking")
	AddRanking = functions.Create(Rankings, "add", setHotels)
	Best       = functions.View(Rankings, "best", readHotels)
)

func setHotels(_ *functions.Ctx, hotels *[]int, as []int) error {
	*hotels = as
	return nil
}

func readHotels(_ *functions.Ctx, hotels []int) ([]int, error) { return hotels, nil }
