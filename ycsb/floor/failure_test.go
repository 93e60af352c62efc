package floor

import (
	"errors"
	"sync"
	"testing"

	"github.com/concordat-dev/concordat/ycsb"
)

// TestFailedStore: once the store has failed nobody waits for it, what was under way is unknown, and nothing changes any more.
func TestFailedStore(t *testing.T) {
	f := open(t, t.TempDir(), 10)
	load(t, f)
	full := errors.New("no space left on device")
	var clients sync.WaitGroup
	unknown := make(chan bool, 8)
	for i := range 8 {
		clients.Go(func() {
			for {
				if err := f.Transfer(t.Context(), "", ycsb.Transfer{From: i, To: i + 1, Amount: 1}); err != nil {
					if !errors.Is(err, ycsb.ErrStore) || !errors.Is(err, full) {
						t.Errorf("error %v", err)
					}
					unknown <- errors.Is(err, ycsb.ErrUnknown)
					return
				}
			}
		})
	}
	f.fail(full)
	f.fail(errors.New("once more"))
	clients.Wait()
	if err := f.Transfer(t.Context(), "again", ycsb.Transfer{From: 1, To: 2, Amount: 1}); !errors.Is(err, ycsb.ErrStore) || errors.Is(err, ycsb.ErrUnknown) {
		t.Errorf("a transfer after the failure: %v", err)
	}
	if err := f.Transfer(t.Context(), "again", ycsb.Transfer{From: 1, To: 2, Amount: 1}); !errors.Is(err, ycsb.ErrStore) {
		t.Errorf("and once more: %v", err)
	}
	if err := f.Close(); !errors.Is(err, full) {
		t.Errorf("closed: %v", err)
	}
}
