package main

import (
	"fmt"
	"log/slog"

	"github.com/concordat-dev/concordat/ycsb/tpcc"
)

type tpccCommand struct {
	Warehouses int     `default:"1" help:"Warehouses, 1 to 10,000. A client works for one of them."`
	Districts  int     `default:"10" help:"Districts of a warehouse, 1 to 10. The standard's number is the default; so it is below."`
	Customers  int     `default:"3000" help:"Customers, and loaded orders, of a district, 10 to 3,000."`
	Items      int     `default:"100000" help:"Items, and stocks of a warehouse, 10 to 100,000."`
	NewOrders  float64 `default:"45" help:"Weight of new-order in the mix."`
	Payments   float64 `default:"43" help:"Weight of payment in the mix."`
	drivenFlags
}

// Run is called by kong.
func (c *tpccCommand) Run(p *program) error {
	d, err := c.check()
	o := tpcc.Options{
		Scale:    tpcc.Scale{Warehouses: c.Warehouses, Districts: c.Districts, Customers: c.Customers, Items: c.Items},
		Protocol: d.protocol, Mix: tpcc.Mix{NewOrder: c.NewOrders, Payment: c.Payments}, Policy: d.policy, Workers: d.workers,
	}
	if err := usage(err, o.Scale.Validate(), o.Mix.Validate(), notZero(
		zero{"warehouses", c.Warehouses == 0}, zero{"districts", c.Districts == 0}, zero{"customers", c.Customers == 0},
		zero{"items", c.Items == 0},
	)); err != nil {
		return err
	}
	return p.drive("tpcc", c.drivenFlags, d, c.parameters(), func(dir string, logger *slog.Logger) (closable, error) {
		o.Dir, o.Logger = dir, logger
		return tpcc.Open(o)
	})
}

// parameters are what a report says of the flags.
func (c *tpccCommand) parameters() map[string]string {
	return map[string]string{
		"warehouses": fmt.Sprint(c.Warehouses), "districts": fmt.Sprint(c.Districts), "customers": fmt.Sprint(c.Customers),
		"items": fmt.Sprint(c.Items), "new-orders": fmt.Sprint(c.NewOrders), "payments": fmt.Sprint(c.Payments),
	}
}
