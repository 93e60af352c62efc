package main

import (
	"context"
	"strings"
	"testing"
)

func TestTrip(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), t.TempDir(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `Ann goes with LX 318
Bob stays at home: trip: booked up: LX 318
Cid stays at home: trip: not enough money: have 50, need 400
Bob goes with LX 340
Hotel Bellevue has 0 places left
LX 318 has 0 places left
LX 340 has 8 places left
`
	if out.String() != want {
		t.Errorf("the program prints\n%swant\n%s", out.String(), want)
	}
}
