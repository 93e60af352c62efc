package main

import (
	"context"
	"strings"
	"testing"
)

func TestSeats(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), t.TempDir(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `15 of 20 pairs found seats, 5 did not
the front row has 0 seats left
the middle row has 0 seats left
the back row has 0 seats left
`
	if out.String() != want {
		t.Errorf("the program prints\n%swant\n%s", out.String(), want)
	}
}
