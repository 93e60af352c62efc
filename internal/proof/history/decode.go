package history

import "errors"

// field is a bit for each member that a line can have.
type field uint16

const (
	fieldProcess field = 1 << iota
	fieldStart
	fieldEnd
	fieldStatus
	fieldOps
	fieldSaga
	fieldStep
	fieldStage
	fieldKind
	fieldInstance
	fieldAmount
	fieldSeq
	fieldOutcome
	fieldSteps
)

// The members of the kinds of lines: what must be there, and what may be.
const (
	txFields      = fieldProcess | fieldStart | fieldStatus | fieldOps
	stepFields    = fieldSaga | fieldStep | fieldKind | fieldInstance | fieldAmount | fieldSeq
	outcomeFields = fieldSaga | fieldOutcome | fieldSteps
)

var fieldNames = map[string]field{
	"process": fieldProcess, "start": fieldStart, "end": fieldEnd, "status": fieldStatus, "ops": fieldOps,
	"saga": fieldSaga, "step": fieldStep, "stage": fieldStage, "kind": fieldKind, "instance": fieldInstance,
	"amount": fieldAmount, "seq": fieldSeq, "outcome": fieldOutcome, "steps": fieldSteps,
}

// decoder turns lines into the records of a builder. What it reads is overwritten by the next line.
type decoder struct {
	builder *Builder
	scanner scanner
	tx      rawTx
	values  []int64 // of the lists of this line
	step    Step
	outcome Outcome
	lists   bool
}

// rawTx is a Tx whose keys are numbers.
type rawTx struct {
	process    int32
	start, end int64
	status     Status
	ops        []rawOp
}

// rawOp is an operation of a rawTx. A read without result has neither.
type rawOp struct {
	kind   OpKind
	key    int32
	value  int64
	list   []int64
	absent bool
	result bool
}

// line takes one line of the file, without its end.
func (d *decoder) line(number int, data []byte) error {
	d.scanner = scanner{data: data}
	d.tx = rawTx{ops: d.tx.ops[:0]}
	d.values = d.values[:0]
	d.step, d.outcome = Step{}, Outcome{}
	seen := d.object()
	d.scanner.end()
	if d.scanner.err != nil {
		return d.scanner.err
	}
	switch {
	case seen&^fieldEnd == txFields:
		if d.tx.status != Unknown && seen&fieldEnd == 0 {
			return errors.New("the end is missing: only a transaction whose status is unknown has none")
		}
		return d.builder.addRaw(int32(number), &d.tx)
	case seen&^fieldStage == stepFields:
		return d.builder.addStep(&d.step)
	case seen == outcomeFields:
		return d.builder.addOutcome(&d.outcome)
	}
	return errors.New(`neither a transaction ("process", "start", "end", "status", "ops"), nor a step of a saga ` +
		`("saga", "step", "kind", "instance", "amount", "seq"), nor the outcome of one ("saga", "outcome", "steps")`)
}

// object reads the members and returns which there were.
func (d *decoder) object() (seen field) {
	s := &d.scanner
	s.expect('{')
	for first := true; s.more(first, '}'); first = false {
		name := s.text()
		f := fieldNames[string(name)]
		if s.err == nil && f == 0 {
			s.fail("there is no member %q", name)
		}
		if seen&f != 0 {
			s.fail("the member %q is there twice", name)
		}
		seen |= f
		s.expect(':')
		d.member(f)
	}
	return seen
}

func (d *decoder) member(f field) {
	s := &d.scanner
	switch f {
	case fieldProcess:
		d.tx.process = s.small("a process")
	case fieldStart:
		d.tx.start = s.integer()
	case fieldEnd:
		d.tx.end = s.integer()
	case fieldStatus:
		d.tx.status = Status(d.word("status", statusNames[:]))
	case fieldOps:
		d.ops()
	default:
		d.sagaMember(f)
	}
}

func (d *decoder) sagaMember(f field) {
	s := &d.scanner
	switch f {
	case fieldSaga:
		d.step.Saga = string(s.text())
		d.outcome.Saga = d.step.Saga
	case fieldStep:
		d.step.Number = s.small("a step")
	case fieldStage:
		d.step.Stage = s.small("a stage")
	case fieldKind:
		d.step.Undo = d.word("kind", []string{"do", "undo"}) == 1
	case fieldInstance:
		d.step.Instance = string(s.text())
	case fieldAmount:
		d.step.Amount = s.integer()
	case fieldSeq:
		d.step.Seq = s.integer()
	case fieldOutcome:
		d.outcome.Ending = Ending(d.word("outcome", endingNames[:]))
	case fieldSteps:
		d.outcome.Steps = s.small("the number of steps")
	}
}

// word reads one of a few words and returns its place among them.
func (d *decoder) word(what string, words []string) int {
	text := d.scanner.text()
	for i, w := range words {
		if string(text) == w {
			return i
		}
	}
	d.scanner.fail("the %s is %q, known are %q", what, text, words)
	return 0
}

func (d *decoder) ops() {
	s := &d.scanner
	s.expect('[')
	for first := true; s.more(first, ']'); first = false {
		s.expect('[')
		op := rawOp{kind: OpKind(d.word("operation", opNames[:]))}
		s.expect(',')
		op.key = d.builder.intern(s.text())
		if op.kind != Read {
			s.expect(',')
			op.value = s.integer()
		} else if s.accept(',') {
			d.result(&op)
		}
		s.expect(']')
		d.tx.ops = append(d.tx.ops, op)
	}
}

// result reads what an operation has read.
func (d *decoder) result(op *rawOp) {
	s := &d.scanner
	op.result = true
	switch {
	case d.lists:
		from := len(d.values)
		s.expect('[')
		for first := true; s.more(first, ']'); first = false {
			d.values = append(d.values, s.integer())
		}
		op.list = d.values[from:len(d.values):len(d.values)]
	case s.null():
		op.absent = true
	default:
		op.value = s.integer()
	}
}
