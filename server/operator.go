package server

import (
	"context"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/failures"
	"github.com/concordat-dev/concordat/internal/machine/sagas"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
	"github.com/concordat-dev/concordat/saga"
)

// operator implements concordatv1connect.OperatorServiceHandler.
type operator struct{ *Server }

// ListTransactions implements the procedure.
func (o *operator) ListTransactions(ctx context.Context, r *connect.Request[concordatv1.ListTransactionsRequest]) (*connect.Response[concordatv1.ListTransactionsResponse], error) {
	all, err := o.engine.Transactions(ctx)
	if err != nil {
		return nil, faultOf(err).rpc()
	}
	response := &concordatv1.ListTransactionsResponse{}
	for i := range all {
		if r.Msg.Id == 0 || r.Msg.Id == all[i].ID {
			response.Transactions = append(response.Transactions, transaction(&all[i]))
		}
	}
	return connect.NewResponse(response), nil
}

func transaction(t *engine.TransactionInfo) *concordatv1.Transaction {
	m := &concordatv1.Transaction{
		Id: t.ID, Function: t.Function, RequestId: t.RequestID, Attempt: t.Attempt, Doomed: t.Doomed, Began: timestamp(t.Began),
		ParticipantCount: int32(t.PartCount),
	}
	for _, p := range t.Parts {
		m.Participants = append(m.Participants, &concordatv1.Participant{Address: address(p.Address), Mode: p.Mode.String()})
	}
	return m
}

func address(a functions.Address) *concordatv1.Address {
	return &concordatv1.Address{Type: a.Type, Id: a.ID}
}

// timestamp is nil for the zero time.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// ListSagas implements the procedure.
func (o *operator) ListSagas(ctx context.Context, r *connect.Request[concordatv1.ListSagasRequest]) (*connect.Response[concordatv1.ListSagasResponse], error) {
	all, err := o.engine.Sagas(ctx)
	if err != nil {
		return nil, faultOf(err).rpc()
	}
	response := &concordatv1.ListSagasResponse{}
	for i := range all {
		if s := &all[i]; (r.Msg.Id == 0 || r.Msg.Id == s.ID) && (!r.Msg.Stuck || s.Phase == "stuck") {
			response.Sagas = append(response.Sagas, sagaMessage(s))
		}
	}
	return connect.NewResponse(response), nil
}

func sagaMessage(s *engine.SagaInfo) *concordatv1.Saga {
	m := &concordatv1.Saga{
		Id: s.ID, Function: s.Function, RequestId: s.RequestID, Phase: s.Phase, Failure: failureOf(s.Failure),
		FirstStep: int32(s.FirstStep), StepCount: int32(s.StepCount),
	}
	for i := range s.Steps {
		step := &s.Steps[i]
		m.Steps = append(m.Steps, &concordatv1.SagaStep{
			Call: step.Call, Undo: step.Undo, State: step.State, Undone: undoState(step), Tries: int32(step.Tries), Error: failureOf(step.Err),
		})
	}
	return m
}

// failureOf is a failure that somebody looks at, which is no error of the procedure.
func failureOf(err error) *concordatv1.Error {
	if err == nil {
		return nil
	}
	f := &fault{code: codeFailure, text: err.Error(), failures: failures.In(err)}
	return f.message()
}

// undoState is how far a step's compensation is.
func undoState(s *engine.SagaStep) string {
	switch {
	case s.Undo == "":
		return ""
	case s.Undone == sagas.Compensated:
		return "undone"
	case s.Undone == sagas.Skipped:
		return "skipped"
	case s.Tries > 0:
		return "failing"
	}
	return "untouched"
}

// ListLocks implements the procedure.
func (o *operator) ListLocks(ctx context.Context, _ *connect.Request[concordatv1.ListLocksRequest]) (*connect.Response[concordatv1.ListLocksResponse], error) {
	all, err := o.engine.Locks(ctx)
	if err != nil {
		return nil, faultOf(err).rpc()
	}
	response := &concordatv1.ListLocksResponse{}
	for i := range all {
		l := &all[i]
		response.Locks = append(response.Locks, &concordatv1.Lock{
			Address: address(l.Address), Holders: claims(l.Holders), HolderCount: int32(l.HolderCount), Waiters: claims(l.Waiters), WaiterCount: int32(l.WaiterCount),
		})
	}
	return connect.NewResponse(response), nil
}

func claims(all []engine.LockClaim) (messages []*concordatv1.Claim) {
	for i := range all {
		c := &all[i]
		messages = append(messages, &concordatv1.Claim{
			Owner: c.Owner, Attempt: c.Attempt, Function: c.Function, Operation: c.Operation, RequestId: c.RequestID, Mode: c.Mode.String(), Since: timestamp(c.Since),
		})
	}
	return messages
}

// ListDeadlocks implements the procedure.
func (o *operator) ListDeadlocks(context.Context, *connect.Request[concordatv1.ListDeadlocksRequest]) (*connect.Response[concordatv1.ListDeadlocksResponse], error) {
	response := &concordatv1.ListDeadlocksResponse{}
	for _, d := range o.engine.Deadlocks() {
		m := &concordatv1.Deadlock{At: timestamp(d.At), Closed: timestamp(d.Closed), Epoch: d.Epoch, Victim: d.Victim}
		for _, w := range d.Waits {
			m.Waits = append(m.Waits, &concordatv1.Wait{
				Transaction: w.Transaction, Attempt: w.Attempt, Function: w.Function, RequestId: w.RequestID, For: address(w.For), Mode: w.Mode,
				BlockedBy: w.BlockedBy, Holds: w.Holds,
			})
		}
		response.Deadlocks = append(response.Deadlocks, m)
	}
	return connect.NewResponse(response), nil
}

// ListTimers implements the procedure.
func (o *operator) ListTimers(ctx context.Context, _ *connect.Request[concordatv1.ListTimersRequest]) (*connect.Response[concordatv1.ListTimersResponse], error) {
	all, err := o.engine.Timers(ctx)
	if err != nil {
		return nil, faultOf(err).rpc()
	}
	response := &concordatv1.ListTimersResponse{}
	for _, t := range all {
		response.Timers = append(response.Timers, &concordatv1.Timer{Due: timestamp(t.Due), From: address(t.From), Message: t.Message})
	}
	return connect.NewResponse(response), nil
}

// DecideSaga implements the procedure.
func (o *operator) DecideSaga(ctx context.Context, r *connect.Request[concordatv1.DecideSagaRequest]) (*connect.Response[concordatv1.DecideSagaResponse], error) {
	decisions := map[concordatv1.Decision]saga.Decision{
		concordatv1.Decision_DECISION_RETRY: saga.Retry, concordatv1.Decision_DECISION_SKIP: saga.Skip, concordatv1.Decision_DECISION_DONE: saga.MarkDone,
	}
	decision, known := decisions[r.Msg.Decision]
	if !known {
		return nil, faultf(codeInvalid, "the decision is retry, skip or done").rpc()
	}
	if err := o.engine.DecideSaga(ctx, r.Msg.Id, decision); err != nil {
		return nil, faultOf(err).rpc()
	}
	return connect.NewResponse(&concordatv1.DecideSagaResponse{}), nil
}

// CancelSaga implements the procedure.
func (o *operator) CancelSaga(ctx context.Context, r *connect.Request[concordatv1.CancelSagaRequest]) (*connect.Response[concordatv1.CancelSagaResponse], error) {
	if err := o.engine.CancelSaga(ctx, r.Msg.Id); err != nil {
		return nil, faultOf(err).rpc()
	}
	return connect.NewResponse(&concordatv1.CancelSagaResponse{}), nil
}

// CancelTransaction implements the procedure.
func (o *operator) CancelTransaction(ctx context.Context, r *connect.Request[concordatv1.CancelTransactionRequest]) (*connect.Response[concordatv1.CancelTransactionResponse], error) {
	if err := o.engine.CancelTransaction(ctx, r.Msg.Id); err != nil {
		return nil, faultOf(err).rpc()
	}
	return connect.NewResponse(&concordatv1.CancelTransactionResponse{}), nil
}

// CancelRequest implements the procedure.
func (o *operator) CancelRequest(ctx context.Context, r *connect.Request[concordatv1.CancelRequestRequest]) (*connect.Response[concordatv1.CancelRequestResponse], error) {
	m := r.Msg
	of := functions.Address{Type: m.Type, ID: m.Id}
	if m.Coordinator != "" {
		if of != (functions.Address{}) {
			return nil, faultf(codeInvalid, "a request is for an instance or for a coordinator function, not for both").rpc()
		}
		of.Type = m.Coordinator
	}
	if err := o.engine.CancelRequest(ctx, of, m.RequestId); err != nil {
		return nil, faultOf(err).rpc()
	}
	return connect.NewResponse(&concordatv1.CancelRequestResponse{}), nil
}
