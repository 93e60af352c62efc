package main

import (
	"fmt"
	"log/slog"
	"strings"

	"github.com/concordat-dev/concordat/ycsb/hotel"
)

type hotelCommand struct {
	Hotels    int     `default:"100" help:"Hotels, at least 5."`
	Flights   int     `default:"100" help:"Flights."`
	Rooms     int     `default:"1000" help:"Rooms of each hotel."`
	Seats     int     `default:"1000" help:"Seats of each flight."`
	Customers int     `default:"500" help:"Customers."`
	Search    float64 `default:"60" help:"Weight of searches in the mix."`
	Recommend float64 `default:"39" help:"Weight of recommendations in the mix."`
	Login     float64 `default:"0.5" help:"Weight of logins in the mix."`
	Reserve   float64 `default:"0.5" help:"Weight of reservations in the mix."`
	Cancel    float64 `default:"0" help:"Weight of cancellations in the mix."`
	Choice    string  `default:"normal" help:"How hotels and flights are drawn: normal or uniform."`
	Deviation float64 `default:"0.1" help:"Standard deviation of the normal choice, as a share of their number."`
	drivenFlags
}

// Run is called by kong.
func (c *hotelCommand) Run(p *program) error {
	d, err := c.check()
	o := hotel.Options{
		Scale:    hotel.Scale{Hotels: c.Hotels, Flights: c.Flights, Rooms: c.Rooms, Seats: c.Seats, Customers: c.Customers},
		Protocol: d.protocol, Mix: c.mix(), Choice: hotel.Choice(c.Choice), Deviation: c.Deviation, Policy: d.policy, Workers: d.workers,
	}
	if err := usage(err, o.Validate(), notZero(
		zero{"hotels", c.Hotels == 0}, zero{"flights", c.Flights == 0}, zero{"rooms", c.Rooms == 0}, zero{"seats", c.Seats == 0},
		zero{"customers", c.Customers == 0}, zero{"deviation", c.Deviation == 0},
		zero{"search, recommend, login, reserve or cancel", c.mix() == hotel.Mix{}},
	)); err != nil {
		return err
	}
	d.notes = c.idle(p.given)
	return p.drive("hotel", c.drivenFlags, d, c.parameters(), func(dir string, logger *slog.Logger) (closable, error) {
		o.Dir, o.Logger = dir, logger
		return hotel.OpenWorkload(o)
	})
}

// idle names the flags that were given and that nothing comes of, as others are what they are.
func (c *hotelCommand) idle(given map[string]bool) (notes []string) {
	if given["deviation"] && !strings.EqualFold(c.Choice, string(hotel.Normal)) {
		notes = append(notes, "--deviation means nothing here: the choice is "+strings.ToLower(c.Choice))
	}
	return notes
}

func (c *hotelCommand) mix() hotel.Mix {
	return hotel.Mix{Search: c.Search, Recommend: c.Recommend, Login: c.Login, Reserve: c.Reserve, Cancel: c.Cancel}
}

// parameters are what a report says of the flags.
func (c *hotelCommand) parameters() map[string]string {
	p := map[string]string{
		"hotels": fmt.Sprint(c.Hotels), "flights": fmt.Sprint(c.Flights), "rooms": fmt.Sprint(c.Rooms), "seats": fmt.Sprint(c.Seats),
		"customers": fmt.Sprint(c.Customers), "choice": strings.ToLower(c.Choice),
		"mix": fmt.Sprintf("search=%g,recommend=%g,login=%g,reserve=%g,cancel=%g", c.Search, c.Recommend, c.Login, c.Reserve, c.Cancel),
	}
	if p["choice"] == string(hotel.Normal) {
		p["deviation"] = fmt.Sprint(c.Deviation)
	}
	return p
}
