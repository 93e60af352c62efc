package sim

import (
	"fmt"
	"strings"
	"time"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
)

var (
	tillType   = functions.NewType[TillState]("audit/till")
	OpenTill   = functions.Create(tillType, "open", func(_ *functions.Ctx, s *TillState, b int64) error { s.Balance = b; return nil })
	moveTill   = functions.Update(tillType, "move", moveMoney)
	disarmTill = functions.Update(tillType, "disarm", disarm)
	knockTill  = functions.Update(tillType, "knock", func(ctx *functions.Ctx, _ *TillState, id string) error {
		ctx.Send(hopRelay.On("nobody "+id, relayHop{ID: id}))
		return nil
	})
	TouchTill = functions.Update(tillType, "touch", func(*functions.Ctx, *TillState, int) error { return nil })
	LookTill  = functions.View(tillType, "look", func(_ *functions.Ctx, s TillState) (TillState, error) { return s, nil })
	CashTill  = functions.View(tillType, "cash", func(_ *functions.Ctx, s TillState) (int64, error) { return s.Balance, nil })
	sentTill  = functions.View(tillType, "sent", func(_ *functions.Ctx, s TillState) (int64, error) { return int64(s.Sent), nil })
	boomTill  = functions.Update(tillType, "boom", func(ctx *functions.Ctx, s *TillState, id string) error {
		_ = moveMoney(ctx, s, TillLine{ID: id, Amount: 1}) // never fails; nothing of it may last
		panic("boom in an operation")
	})
	startTill = functions.Update(tillType, "start", startOther)

	sinkType = functions.NewType[SinkState]("audit/sink")
	openSink = functions.Create(sinkType, "open", makeSink)
	noticeOp = functions.Update(sinkType, "notice", takeNotice)
	noteOp   = functions.Update(sinkType, "note", func(_ *functions.Ctx, s *SinkState, n endNote) error {
		s.Notes[n.ID] = append(s.Notes[n.ID], n.Word)
		return nil
	})
	firedOp   = functions.Update(sinkType, "fired", func(_ *functions.Ctx, s *SinkState, key string) error { s.Fired[key]++; return nil })
	lookSink  = functions.View(sinkType, "look", func(_ *functions.Ctx, s SinkState) (SinkState, error) { return s, nil })
	countSink = functions.View(sinkType, "count", func(_ *functions.Ctx, s SinkState) (int, error) { return len(s.Notes), nil })

	gateType = functions.NewType[GateState]("audit/gate")
	openGate = functions.Create(gateType, "open", func(_ *functions.Ctx, s *GateState, shut bool) error { s.Shut = shut; return nil })
	SetGate  = functions.Update(gateType, "set", func(_ *functions.Ctx, s *GateState, shut bool) error { s.Shut = shut; return nil })
	passGate = functions.Update(gateType, "pass", func(_ *functions.Ctx, s *GateState, l TillLine) error {
		if l.Undo && s.Shut {
			return errShut
		}
		s.Lines = append(s.Lines, l)
		return nil
	})
	lookGate = functions.View(gateType, "look", func(_ *functions.Ctx, s GateState) (GateState, error) { return s, nil })

	hopRelay  functions.Command[relayHop] // set by makeRelays: it sends to itself
	relayType = makeRelays()
	openRelay = functions.Create(relayType, "open", func(_ *functions.Ctx, s *RelayState, _ int) error { s.Hops = map[string][]int{}; return nil })
	lookRelay = functions.View(relayType, "look", func(_ *functions.Ctx, s RelayState) (RelayState, error) { return s, nil })

	tallyType  = functions.NewType[TallyState]("audit/tally")
	countTally = functions.UpsertReturning(tallyType, "count", func(ctx *functions.Ctx, s *TallyState, id string) (int64, error) {
		if ctx.Exists() != (s.Runs != nil) {
			return 0, fmt.Errorf("audit: the tally exists: %v, and has %d counts", ctx.Exists(), len(s.Runs))
		}
		if s.Runs == nil {
			s.Runs = map[string]int64{}
		}
		s.Runs[id]++
		return s.Runs[id], nil
	})
	lookTally = functions.View(tallyType, "look", func(_ *functions.Ctx, s TallyState) (TallyState, error) { return s, nil })

	slipType = functions.NewType[slipState]("audit/slip")
	makeSlip = functions.Create(slipType, "make", func(_ *functions.Ctx, s *slipState, text string) error { s.Text = text; return nil })
	tearSlip = functions.Delete(slipType, "tear", func(*functions.Ctx, *slipState) error { return nil })

	recordsOut = functions.NewEgress[uint64]("audit-out")
)

func makeSink(_ *functions.Ctx, s *SinkState, _ int) error {
	*s = SinkState{Last: map[string]uint64{}, Fired: map[string]int{}, Notes: map[string][]string{}}
	return nil
}

func makeRelays() *functions.Type[RelayState] {
	t := functions.NewType[RelayState]("audit/relay")
	hopRelay = functions.Update(t, "hop", hopOn)
	functions.OnFailure(t, func(ctx *functions.Ctx, failed functions.Failed) error {
		var h relayHop
		if err := codec.Decode(failed.Arg, &h); err != nil {
			return err
		}
		ctx.Send(noteOp.On(sinkFor(h.ID), endNote{h.ID + "/bounce", "bounced"}))
		return nil
	})
	return t
}

// sinkFor is the sink that a key belongs to. Ids are "prefix:...", so that a world's sinks are its own.
func sinkFor(key string) string {
	sum := 0
	for _, b := range []byte(key) {
		sum += int(b)
	}
	prefix, _, _ := strings.Cut(key, ":")
	return fmt.Sprintf("%s:sink-%d", prefix, sum%4)
}

func moveMoney(ctx *functions.Ctx, s *TillState, l TillLine) error {
	if l.Amount < 0 && s.Balance+l.Amount < 0 && !l.Undo {
		return fmt.Errorf("%w: have %d, need %d", errShort, s.Balance, -l.Amount)
	}
	s.Balance += l.Amount
	s.Lines = append(s.Lines, l)
	s.Sent++
	self := ctx.Self().ID
	ctx.Send(noticeOp.On(sinkFor(self), tillNotice{self, s.Sent}))
	ctx.Emit(recordsOut.Record(self, s.Sent))
	if s.Sent%3 == 0 {
		key := fmt.Sprintf("%s/%d", self, len(s.Timers))
		id := ctx.SendAfter(time.Duration(s.Sent*7%200)*time.Millisecond, firedOp.On(sinkFor(self), key))
		s.Timers = append(s.Timers, TillTimer{ID: id})
	}
	return nil
}

func disarm(ctx *functions.Ctx, s *TillState, _ int) error {
	for i := len(s.Timers) - 1; i >= 0; i-- {
		if t := &s.Timers[i]; !t.Cancelled && !t.Late {
			ctx.Cancel(t.ID)
			t.Cancelled = ctx.Now().UnixNano() < t.ID.Due
			t.Late = !t.Cancelled
			return nil
		}
	}
	return nil
}

func takeNotice(_ *functions.Ctx, s *SinkState, n tillNotice) error {
	if s.Last[n.From]+1 != n.Seq {
		s.Disorder = append(s.Disorder, fmt.Sprintf("notice %d of %s after %d", n.Seq, n.From, s.Last[n.From]))
	}
	s.Last[n.From] = n.Seq
	return nil
}

func hopOn(ctx *functions.Ctx, s *RelayState, h relayHop) error {
	s.Hops[h.ID] = append(s.Hops[h.ID], h.Left)
	if h.Left > 0 {
		self := ctx.Self().ID
		other := self[:len(self)-1] + string('0'+'1'-self[len(self)-1])
		ctx.Send(hopRelay.On(other, relayHop{h.ID, h.Left - 1}))
	}
	return nil
}

// startOther starts a coordinator function by message.
func startOther(ctx *functions.Ctx, _ *TillState, o Order) error {
	ctx.Send(o.start())
	return nil
}
