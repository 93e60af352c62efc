package server

import (
	"errors"
	"fmt"
	"strings"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Functions are the functions of a program by name, with their arguments and results as JSON, as the server maps them: for requests that come
// in by other ways, such as topics of Kafka.
type Functions struct{ all *catalogue }

// NewFunctions collects the functions of parts, those that an engine is opened with.
func NewFunctions(parts ...functions.Part) *Functions {
	var definitions []instances.Definition
	for _, part := range parts {
		definitions = append(definitions, part.Definition())
	}
	return &Functions{newCatalogue(definitions)}
}

// Function is an operation or a coordinator function.
type Function struct{ f *function }

// Find finds a coordinator function by its name, or an operation by type and operation with a dot between them, such as
// "bank/account.credit". Error: there is none.
func (s *Functions) Find(name string) (Function, error) {
	if f := s.all.coordinators[name]; f != nil {
		return Function{f}, nil
	}
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		if f := s.all.operations[operationName{name[:i], name[i+1:]}]; f != nil {
			return Function{f}, nil
		}
	}
	return Function{}, fmt.Errorf("server: there is no function %.200q", name)
}

// OnInstance reports whether it is an operation, which is called on an instance.
func (f Function) OnInstance() bool { return f.f.op != nil }

// Message makes the message that calls the operation on an instance, or starts the coordinator function, which has no id. arg is JSON; none
// for a function that takes no argument. An error says what is wrong with either, and names the field.
func (f Function) Message(id string, arg []byte) (functions.Message, error) {
	e, err := f.f.envelope(id, argument{json: arg, given: len(arg) > 0}, "")
	if err != nil {
		return nil, err
	}
	return fromElsewhere{e}, nil
}

// Result is a result of the function as JSON, from how it is stored; nil if there is none. Error: it has no form in JSON.
func (f Function) Result(stored []byte) ([]byte, error) {
	text, fault := f.f.resultJSON(stored)
	if fault != nil {
		return nil, errors.New(fault.text)
	}
	return text, nil
}

type fromElsewhere struct{ envelope instances.Envelope }

// Envelope implements functions.Message.
func (m fromElsewhere) Envelope() instances.Envelope { return m.envelope }
