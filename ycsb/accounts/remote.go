package accounts

import (
	"context"
	"fmt"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/internal/bulk"
)

// Remote runs the workload on an engine behind a server, which was opened with [Parts]. It is a [ycsb.Target] with all abilities but to count.
type Remote struct {
	requests
	client *client.Client
}

// RemoteOptions say which server a [Remote] uses, and how.
type RemoteOptions struct {
	// Client has the server's URL, and how to get in there.
	Client client.Options
	// Keys is the number of rows whose ids are made beforehand, at least 1. There may be more.
	Keys int
	// Protocol of the transfers. Default: Serializable.
	Protocol Protocol
}

// Connect makes a target of a server. Errors: bad options, and those of [client.Open]; client.ErrDiffers if the server has other functions
// than [Parts].
func Connect(o RemoteOptions) (*Remote, error) {
	protocol, err := checkOptions(o.Keys, o.Protocol)
	if err != nil {
		return nil, err
	}
	c, err := client.Open(o.Client, Parts()...)
	if err != nil {
		return nil, fmt.Errorf("accounts: %w", err)
	}
	return &Remote{requests{c, new(bulk.Health), protocol, ycsb.RowIDs(o.Keys)}, c}, nil
}

var _ ycsb.Scanner = (*Remote)(nil)

// Scan implements [ycsb.Scanner]: pages, each as of one moment, whatever the protocol.
func (r *Remote) Scan(ctx context.Context, from, n int) error {
	for id := r.id(from); n > 0; {
		page, next, err := client.Page(ctx, r.client, Rows, id, min(n, client.MaxPage))
		if err != nil {
			return r.certain(err)
		}
		for _, row := range page {
			if row.Err != nil {
				return r.certain(row.Err)
			}
		}
		if n, id = n-len(page), next; next == "" {
			return nil
		}
	}
	return nil
}

// Close ends the connection.
func (r *Remote) Close() error { return r.client.Close() }
