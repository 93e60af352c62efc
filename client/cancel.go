package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/concordat-dev/concordat/functions"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

// CancelRequest cancels a request by what it is for and its id, as engine.Engine.CancelRequest does: nil says that it fails, or has failed, as
// one that was cancelled. It needs the role operator, is asked once, and blocks until that is durable. A nil ctx never ends. Errors: those of
// [Client.Outcome]; [ErrNotRunning] for what cannot be cancelled, or is not known; [ErrUnknown] if ctx or the connection ends first: then it
// may be asked again.
func (c *Client) CancelRequest(ctx context.Context, of functions.Address, requestID string) error {
	ask := &concordatv1.CancelRequestRequest{RequestId: requestID}
	var err error
	if ask.Type, ask.Id, ask.Coordinator, err = c.functions.target(of); err != nil {
		return err
	}
	_, err = unary(ctx, c, ask, c.operate.CancelRequest)
	var refused *remoteError
	switch {
	case errors.As(err, &refused) && strings.HasPrefix(refused.Error(), ErrNotRunning.Error()):
		refused.sentinel = ErrNotRunning
	case errors.Is(err, ErrUnreachable): // it may have been sent
		return fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return err
}
