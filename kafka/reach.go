package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// reach remembers why a broker could not be reached lately. A client that is told to give up says only that it was.
type reach struct {
	asked []string // the brokers that the user named
	last  atomic.Pointer[error]
}

// OnBrokerConnect implements kgo.HookBrokerConnect.
func (r *reach) OnBrokerConnect(broker kgo.BrokerMetadata, _ time.Duration, _ net.Conn, err error) {
	if err != nil {
		r.note(broker, err)
	}
}

// OnBrokerRead implements kgo.HookBrokerRead.
func (r *reach) OnBrokerRead(broker kgo.BrokerMetadata, _ int16, _ int, _, _ time.Duration, err error) {
	r.note(broker, err)
}

func (r *reach) note(broker kgo.BrokerMetadata, err error) {
	if err == nil {
		r.last.Store(nil)
		return
	}
	err = fmt.Errorf("%s: %w", net.JoinHostPort(broker.Host, fmt.Sprint(broker.Port)), err)
	r.last.Store(&err)
}

// why adds to an error that says only that time was over why a broker was not reached; who was asked, if that is not known.
func (r *reach) why(err error) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if last := r.last.Load(); last != nil {
		return fmt.Errorf("%w: %w", err, *last)
	}
	return fmt.Errorf("%w: no answer from %s", err, strings.Join(r.asked, ", "))
}
