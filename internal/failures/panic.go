package failures

import (
	"fmt"
	"runtime/debug"
)

// PanicError is the error of user code that panicked: it is [ErrPanic], with the stack for the log.
type PanicError struct {
	Value string
	Stack []byte
}

// Error names the panic's value, without the stack.
func (p *PanicError) Error() string { return string(ErrPanic) + ": " + p.Value }

// Unwrap returns [ErrPanic].
func (p *PanicError) Unwrap() error { return ErrPanic }

// NewPanicError describes a recovered panic; call it while the panic's stack is still there.
func NewPanicError(recovered any) *PanicError {
	return &PanicError{Value: fmt.Sprint(recovered), Stack: debug.Stack()}
}

// NewGoexitError describes user code that ended its goroutine.
func NewGoexitError() *PanicError {
	return &PanicError{Value: "it has ended its goroutine: runtime.Goexit, which testing.T.Fatal calls"}
}
