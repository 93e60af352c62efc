package transactions_test

import (
	"fmt"
	"testing"
)

// TestWaitersHoldUpNobodyElse is a known fault of the paper's implementation: 500 messages behind one lock stall a whole partition.
// Here a transaction on another account costs the messages that it costs anyway.
func TestWaitersHoldUpNobodyElse(t *testing.T) {
	w := newWorld()
	w.set("a", 1000)
	w.set("b", 1000)
	w.begin("holder", []string{"debit a 1"})
	w.deliver(0)
	for i := range 500 {
		w.begin(fmt.Sprint("T", i), []string{"debit a 1"})
		w.plain(fmt.Sprint("P", i), credit.On("a", 1))
	}
	for i := w.next("", "a"); i >= 0; i = w.next("", "a") {
		w.deliver(i)
	}
	if n := w.seat("a").Lock.Waiters(); n != 1000 {
		t.Fatalf("%d wait", n)
	}
	other := w.begin("other", []string{"debit b 1"})
	for _, ends := range [][2]string{{"other", "b"}, {"b", "other"}, {"other", "b"}} {
		w.deliver(w.next(ends[0], ends[1]))
	}
	if !other.over || !w.seat("b").Lock.Free() {
		t.Error("the other transaction has not ended")
	}
	w.quiet()
	w.checkQuiet(t)
	if got := show(&w.seat("a").Cell); got != "999" {
		t.Errorf("a has %s", got)
	}
}
