package sim

import (
	"fmt"

	"github.com/concordat-dev/concordat/engine"
)

// Lines are the events of an engine as lines of text: what each worker handles, and what becomes of epochs.
func Lines(take func(line string)) engine.Events {
	return engine.Events{
		MessageHandled: func(m engine.MessageInfo) { take(lineOf(m)) },
		EpochCut:       func(epoch uint64) { take(fmt.Sprint("cut epoch ", epoch)) },
		EpochSealed:    func(i engine.EpochInfo) { take(fmt.Sprint("sealed epoch ", i.Number)) },
		TrialBegan:     func(i engine.TrialInfo) { take(fmt.Sprintf("suspects: %d, of %d starts", i.Suspects, i.Starts)) },
	}
}

// lineOf is a message that a worker handles, as a line of text.
func lineOf(m engine.MessageInfo) string {
	what := m.Address.ID
	switch {
	case m.Function != "":
		what = fmt.Sprint(m.Function, " ", m.Run)
	case m.Operation != "":
		what = fmt.Sprintf("%s(%s)", m.Operation, m.Address.ID)
	case m.Kind == "commit" || m.Kind == "abort":
		what = m.Address.String()
	}
	return fmt.Sprintf("worker %d: %s %s", m.Worker, m.Kind, what)
}
