package main

import (
	"context"
	"strings"
	"testing"
)

func TestTPCC(t *testing.T) {
	var out strings.Builder
	if err := run(context.Background(), t.TempDir(), &out); err != nil {
		t.Fatal(err)
	}
	const want = `orders 31 and 32 cost the same: true
item 11 was sold 2 times, 10 in all
customer 7 has a balance of -3000 cents
customer 7 has a balance of -3000 cents
and after another payment of -5000
the books are right
a client's operations: map[new-order:88 payment:110 unused item:2]
the books are right
`
	if out.String() != want {
		t.Errorf("the program prints\n%swant\n%s", out.String(), want)
	}
}
