package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestWhyOutOfReach: an error that says only that time was over gets the reason why a broker was not reached lately, or who was asked; others stay.
func TestWhyOutOfReach(t *testing.T) {
	r := &reach{asked: []string{"a:1", "b:2"}}
	late, refused := fmt.Errorf("test: %w", context.DeadlineExceeded), errors.New("test: refused")
	at := kgo.BrokerMetadata{Host: "a", Port: 1}
	for _, c := range []struct {
		happens func()
		given   error
		want    string
	}{
		{func() {}, late, "no answer from a:1, b:2"},
		{func() { r.OnBrokerConnect(at, 0, nil, refused) }, late, "a:1: test: refused"},
		{func() { r.OnBrokerConnect(at, 0, nil, nil) }, late, "a:1: test: refused"}, // it may hang up at once
		{func() { r.OnBrokerRead(at, 0, 0, 0, 0, nil) }, late, "no answer from a:1, b:2"},
		{func() { r.OnBrokerRead(at, 0, 0, 0, 0, refused) }, late, "a:1: test: refused"},
	} {
		c.happens()
		if err := r.why(c.given); !errors.Is(err, c.given) || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
	if err := r.why(refused); err != refused {
		t.Errorf("another error becomes %v", err)
	}
}
