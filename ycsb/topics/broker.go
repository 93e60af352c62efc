package topics

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/concordat-dev/concordat/internal/broker"
	"github.com/concordat-dev/concordat/internal/scratch"
)

// brokerTimeout bounds how long a broker may take to be fetched, and to start.
const brokerTimeout = 5 * time.Minute

// Broker is a broker of Apache Kafka of this process, in a temporary directory.
type Broker struct {
	*broker.Broker
	dir string
}

// StartBroker starts a broker. It needs Java and Maven, and blocks until requests are answered, for five minutes at most. It must be closed.
func StartBroker(ctx context.Context) (*Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, brokerTimeout)
	defer cancel()
	dir, err := scratch.Dir("concordat-kafka-")
	if err != nil {
		return nil, err
	}
	b, err := broker.New(ctx, dir, 0)
	if err == nil {
		if err = b.Start(ctx); err != nil {
			err = errors.Join(err, b.Kill())
		}
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return &Broker{b, dir}, nil
}

// Close ends the broker and removes its data. A nil Broker has nothing to close.
func (b *Broker) Close() error {
	if b == nil {
		return nil
	}
	return errors.Join(b.Kill(), os.RemoveAll(b.dir))
}
