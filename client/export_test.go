package client

import (
	"context"
	"sync/atomic"

	"connectrpc.com/connect"

	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
	"github.com/concordat-dev/concordat/proto/concordat/v1/concordatv1connect"
)

// counting counts the look-ups that go to a server.
type counting struct {
	concordatv1connect.ConcordatServiceClient
	lookUps *atomic.Int64
}

func (c counting) GetRequest(ctx context.Context, r *connect.Request[concordatv1.GetRequestRequest]) (*connect.Response[concordatv1.GetRequestResponse], error) {
	c.lookUps.Add(1)
	return c.ConcordatServiceClient.GetRequest(ctx, r)
}

// CountLookUps counts the look-ups of a client from now on.
func CountLookUps(c *Client) (asked func() int64) {
	counted := counting{c.rpc, new(atomic.Int64)}
	c.rpc = counted
	return counted.lookUps.Load
}
