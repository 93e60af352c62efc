package main

import (
	"context"
	"strings"
	"testing"
)

// TestBank runs the program twice on one directory: the second time nothing more happens.
func TestBank(t *testing.T) {
	const want = `transfer: <nil>
transfer: <nil>
transfer: bank: insufficient funds: have 75, need 1000
Alice has 75
Bob has 125
all together: 200
`
	dir := t.TempDir()
	for range 2 {
		var out strings.Builder
		if err := run(context.Background(), dir, &out); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("the program prints\n%swant\n%s", out.String(), want)
		}
	}
}
