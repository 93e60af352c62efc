package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/concordat-dev/concordat/internal/cli"
	concordatv1 "github.com/concordat-dev/concordat/proto/concordat/v1"
)

type callCommand struct {
	remote
	Function  string  `arg:"" help:"The type and the operation, such as bank/account.credit."`
	ID        string  `arg:"" help:"The instance."`
	Argument  *string `arg:"" optional:"" help:"The argument as JSON; @FILE reads it from a file, - from the standard input."`
	RequestID string  `help:"An id under which the request runs once."`
}

type askCommand struct{ callCommand }

type runCoordinatorCommand struct {
	remote
	Function  string  `arg:"" help:"The coordinator function, such as bank/transfer."`
	Argument  *string `arg:"" optional:"" help:"The input as JSON; @FILE reads it from a file, - from the standard input."`
	RequestID string  `help:"An id under which the request runs once."`
}

type requestCommand struct {
	remote
	Target    string        `arg:"" help:"What it was for: an instance, such as bank/account/alice, or a coordinator function, such as bank/transfer."`
	ID        string        `arg:"" help:"The id of the request."`
	Wait      time.Duration `help:"How long to wait for its end, such as 10s."`
	Operation string        `placeholder:"NAME" help:"The operation on the instance, such as credit, to show its result."`
}

type cancelCommand struct {
	remote
	Target string `arg:"" help:"What it is for: an instance, such as bank/account/alice, or a coordinator function, such as bank/transfer."`
	ID     string `arg:"" help:"The id of the request."`
}

type functionsCommand struct{ remote }

type instancesCommand struct {
	remote
	Type   string `arg:"" help:"The function type, such as bank/account."`
	Prefix string `help:"Only ids that begin so."`
	From   string `help:"The first id."`
	Limit  int32  `default:"100" help:"How many, at most."`
}

// Run is called by kong.
func (c *callCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	r := &concordatv1.Request{Id: c.ID, RequestId: c.RequestID}
	if r.Type, r.Operation, _, err = n.find(c.Function); err != nil {
		return err
	}
	if r.Type == "" {
		return fmt.Errorf("%w: %s is a coordinator function: see concordat run", cli.ErrInput, c.Function)
	}
	return n.do(p, r, c.Argument, c.JSON)
}

// Run is called by kong.
func (c *runCoordinatorCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	return n.do(p, &concordatv1.Request{Coordinator: c.Function, RequestId: c.RequestID}, c.Argument, c.JSON)
}

// do runs a request and writes its result.
func (n *connection) do(p *program, r *concordatv1.Request, argument *string, asJSON bool) error {
	if argument != nil {
		text, err := readArgument(*argument)
		if err != nil {
			return fmt.Errorf("%w: argument: %w", cli.ErrInput, err)
		}
		r.Argument = &concordatv1.Request_Json{Json: text}
	}
	response, err := n.use.Do(n.ctx, connect.NewRequest(&concordatv1.DoRequest{Request: r}))
	if err != nil {
		return failed(err)
	}
	result := response.Msg.Answer.GetJson()
	if result == "" && asJSON {
		result = "null"
	}
	if result == "" {
		return nil
	}
	_, err = fmt.Fprintln(p.stdout, result)
	return err
}

// find finds an operation or a coordinator function by the name that people use.
func (n *connection) find(name string) (typeName, operation, coordinator string, err error) {
	described, err := n.use.Describe(n.ctx, connect.NewRequest(&concordatv1.DescribeRequest{}))
	if err != nil {
		return "", "", "", failed(err)
	}
	for _, t := range described.Msg.Types {
		for _, op := range t.Operations {
			if t.Name+"."+op.Name == name {
				return t.Name, op.Name, "", nil
			}
		}
	}
	for _, f := range described.Msg.Coordinators {
		if f.Name == name {
			return "", "", name, nil
		}
	}
	return "", "", "", fmt.Errorf("%w: the server has no function %q: see concordat functions", cli.ErrInput, name)
}

// target finds an instance or a coordinator function by the name that people use. With an operation it is an instance of a type that has that.
func (n *connection) target(name, operation string) (typeName, id, coordinator string, err error) {
	described, err := n.use.Describe(n.ctx, connect.NewRequest(&concordatv1.DescribeRequest{}))
	if err != nil {
		return "", "", "", failed(err)
	}
	var found []string
	for _, f := range described.Msg.Coordinators {
		if f.Name == name && operation == "" {
			coordinator = name
			found = append(found, "the coordinator function "+name)
		}
	}
	for _, t := range described.Msg.Types {
		has := func(op *concordatv1.Operation) bool { return op.Name == operation }
		rest, isOf := strings.CutPrefix(name, t.Name+"/")
		if isOf && rest != "" && (operation == "" || slices.ContainsFunc(t.Operations, has)) {
			typeName, id = t.Name, rest
			found = append(found, fmt.Sprintf("the instance %s of %s", rest, t.Name))
		}
	}
	switch {
	case len(found) > 1:
		err = fmt.Errorf("%w: %s is %s: --operation, or the server's route /v1/request, tells them apart", cli.ErrInput, name, strings.Join(found, ", or "))
	case len(found) == 0 && operation != "":
		err = fmt.Errorf("%w: %s is no instance of a type that has an operation %s: see concordat functions", cli.ErrInput, name, operation)
	case len(found) == 0:
		err = fmt.Errorf("%w: %s is neither an instance of a type nor a coordinator function of the server: see concordat functions", cli.ErrInput, name)
	}
	return typeName, id, coordinator, err
}

// Run is called by kong.
func (c *requestCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	r := &concordatv1.GetRequestRequest{RequestId: c.ID, Operation: c.Operation, Wait: durationpb.New(c.Wait)}
	if r.Type, r.Id, r.Coordinator, err = n.target(c.Target, c.Operation); err != nil {
		return err
	}
	response, err := n.use.GetRequest(n.ctx, connect.NewRequest(r))
	if err != nil {
		return failed(err)
	}
	m := response.Msg
	if c.JSON {
		return writeMessage(p.stdout, m)
	}
	states := map[concordatv1.RequestState]string{
		concordatv1.RequestState_REQUEST_STATE_NOT_KNOWN: "not known", concordatv1.RequestState_REQUEST_STATE_RUNNING: "running",
		concordatv1.RequestState_REQUEST_STATE_STUCK: "stuck", concordatv1.RequestState_REQUEST_STATE_SUCCEEDED: "succeeded",
		concordatv1.RequestState_REQUEST_STATE_FAILED: "failed",
	}
	line := states[m.State]
	if e := m.Answer.GetError(); e != nil {
		line += ": " + e.Text
	}
	if result := m.Answer.GetJson(); result != "" {
		line += ": " + result
	}
	if _, err = fmt.Fprintln(p.stdout, printable(line)); err == nil && m.State != concordatv1.RequestState_REQUEST_STATE_SUCCEEDED {
		return cli.ErrTold
	}
	return err
}

// Run is called by kong.
func (c *cancelCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	r := &concordatv1.CancelRequestRequest{RequestId: c.ID}
	if r.Type, r.Id, r.Coordinator, err = n.target(c.Target, ""); err != nil {
		return err
	}
	if _, err := n.operate.CancelRequest(n.ctx, connect.NewRequest(r)); err != nil {
		return failed(err)
	}
	return nil
}

// Run is called by kong.
func (c *functionsCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	response, err := n.use.Describe(n.ctx, connect.NewRequest(&concordatv1.DescribeRequest{}))
	switch {
	case err != nil:
		return failed(err)
	case c.JSON:
		return writeMessage(p.stdout, response.Msg)
	}
	return writeColumns(p.stdout, "FUNCTION KIND ARGUMENT RESULT", func(row func(...any)) {
		for _, t := range response.Msg.Types {
			for _, op := range t.Operations {
				row(t.Name+"."+op.Name, op.Kind, op.Argument.GetSchema(), op.Result.GetSchema())
			}
		}
		for _, f := range response.Msg.Coordinators {
			row(f.Name, f.Protocol, f.Input.GetSchema(), f.Result.GetSchema())
		}
	})
}

// Run is called by kong.
func (c *instancesCommand) Run(p *program) error {
	n, err := c.connect(p)
	if err != nil {
		return err
	}
	defer n.cancel()
	response, err := n.use.ListInstances(n.ctx, connect.NewRequest(&concordatv1.ListInstancesRequest{
		Type: c.Type, Prefix: c.Prefix, From: c.From, Limit: c.Limit,
	}))
	switch {
	case err != nil:
		return failed(err)
	case c.JSON:
		return writeMessage(p.stdout, response.Msg)
	}
	err = writeColumns(p.stdout, "ID STATE", func(row func(...any)) {
		for _, i := range response.Msg.Instances {
			state := i.GetJson()
			if i.Error != nil {
				state = i.Error.Text
			}
			row(i.Id, state)
		}
	})
	if next := response.Msg.Next; err == nil && next != "" {
		p.note("there are more: --from " + printable(next))
	}
	return err
}
