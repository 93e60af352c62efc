package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/concordat-dev/concordat/client"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/proto/concordat/v1/concordatv1connect"
)

// The bank of each side.
const (
	clients = 16                   // that move money all the time
	pause   = 5 * time.Millisecond // of a client between two transfers
	opening = 1000                 // what an account of theirs has at first
	stake   = 100                  // what an account of the actions has at first
	lookGap = 200 * time.Millisecond
)

// names are the accounts of the clients. The first one becomes hot.
var names = []string{
	"shop", "ada", "ben", "cleo", "dan", "eva", "finn", "gina", "hugo", "ida", "jan", "kim", "leo", "mia", "nils", "olga", "paul", "rosa", "sam", "tina",
}

// The accounts of the actions, with which nobody else has to do.
const alice, bob, nobody = "alice", "bob", "nobody"

// protocol is what is different between the sides.
type protocol struct {
	name     string
	about    string // what it promises
	function string // that the clients run
	start    func(id string, t bank.Transfer) functions.Request
}

// The protocols.
var (
	sagas = protocol{
		name: "saga", about: "One step after the other; what was done is undone if a later step fails. Others see the steps.",
		function: "bank/transfer-saga",
		start:    func(id string, t bank.Transfer) functions.Request { return bank.TransferSaga.As(id, t) },
	}
	txs = protocol{
		name: "serializable", about: "All or nothing, and nobody ever sees half of it. Whoever wants the same account waits.",
		function: "bank/transfer",
		start:    func(id string, t bank.Transfer) functions.Request { return bank.TransferTx.As(id, t) },
	}
)

// Side is a bank under one of the protocols.
type Side struct {
	protocol
	process *process
	books   *books
	meter   meter
	tell    func(event) // notes what has happened
	hot     *atomic.Bool
	actions atomic.Uint64 // numbers for their requests

	moving  sync.RWMutex // held shared by each transfer of a client, and exclusively by a count
	acting  sync.Mutex   // held by an action, and by a count
	under   atomic.Int64 // transfers under way
	client  *client.Client
	http    *http.Client
	use     concordatv1connect.ConcordatServiceClient
	operate concordatv1connect.OperatorServiceClient

	mu      sync.Mutex
	phase   string
	money   money
	looks   int  // of an outside reader
	halves  int  // of them that saw money on its way
	console bool // the engine's server has one
}

// money is what came of a count.
type money struct {
	Total    int64     `json:"total"`
	Must     int64     `json:"must"`
	Accounts int       `json:"accounts"`
	Wrong    int       `json:"wrong"`
	Counted  time.Time `json:"counted"` // zero: not yet
}

// adds reports whether the money was counted and each account had what it must have.
func (m money) adds() bool { return !m.Counted.IsZero() && m.Total == m.Must && m.Wrong == 0 }

// The phases of a side.
const (
	phaseStarting = "starting"
	phaseRunning  = "running"
	phaseDown     = "down"
	phaseChecking = "checking"
	phaseFailed   = "failed"
)

func newSide(of protocol, p *process, hot *atomic.Bool, tell func(event)) *Side {
	s := &Side{protocol: of, process: p, hot: hot, tell: tell, phase: phaseStarting, books: newBooks(names, opening)}
	s.books.open(alice, stake)
	s.books.open(bob, stake)
	s.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	return s
}

// run starts the engine, opens the accounts, and moves money until ctx is over. An error is that of the engine that did not start.
func (s *Side) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	supervised := make(chan error, 1)
	processes, endProcesses := context.WithCancel(context.WithoutCancel(ctx)) // it ends after its clients
	go func() { supervised <- s.process.supervise(processes) }()
	failed := make(chan error, 1)
	go func() {
		err := <-supervised
		if err != nil {
			s.setPhase(phaseFailed)
			s.tell(event{Side: s.name, Title: "The engine does not start", Lines: []string{err.Error()}, Bad: true})
			cancel()
		}
		failed <- err
	}()
	if s.begin(ctx) == nil {
		s.setPhase(phaseRunning)
		s.work(ctx)
	}
	if s.client != nil {
		_ = s.client.Close() // never fails
	}
	endProcesses()
	return <-failed
}

// begin connects, and opens the accounts.
func (s *Side) begin(ctx context.Context) error {
	if err := s.process.await(ctx, 0); err != nil {
		return err
	}
	s.use = concordatv1connect.NewConcordatServiceClient(s.http, s.process.url())
	s.operate = concordatv1connect.NewOperatorServiceClient(s.http, s.process.url())
	for s.client == nil {
		var err error
		if s.client, err = client.Open(client.Options{URL: s.process.url()}, parts()...); err != nil && !sleep(ctx, pause) {
			return err
		}
	}
	var all sync.WaitGroup
	for account, amount := range s.books.balances {
		all.Go(func() { _, _ = s.insist(ctx, bank.Open.On(account, amount).As("open")) })
	}
	all.Wait()
	s.findConsole(ctx)
	return ctx.Err()
}

// findConsole looks whether the engine's server has a console.
func (s *Side) findConsole(ctx context.Context) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.process.url()+consolePath, nil)
	if err != nil {
		return
	}
	if answer, err := s.http.Do(r); err == nil {
		_ = answer.Body.Close()
		s.mu.Lock()
		s.console = answer.StatusCode == http.StatusOK
		s.mu.Unlock()
	}
}

// consolePath is where an engine's server has its console.
const consolePath = "/console/"

// work moves money, looks and counts until ctx is over.
func (s *Side) work(ctx context.Context) {
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() { s.move(ctx, n) })
	}
	all.Go(func() { s.look(ctx) })
	all.Go(func() { s.countAgain(ctx) })
	all.Go(func() { s.measure(ctx) })
	all.Wait()
}

// move is a client: it moves money from one account to another, again and again.
func (s *Side) move(ctx context.Context, number int) {
	random := rand.New(rand.NewPCG(uint64(number), uint64(len(s.name))))
	for n := 0; sleep(ctx, pause); n++ {
		s.transfer(ctx, fmt.Sprintf("%d-%d", number, n), s.draw(random))
	}
}

// draw draws a transfer. While there is a hot account it takes part in every other.
func (s *Side) draw(random *rand.Rand) bank.Transfer {
	from := random.IntN(len(names))
	to := (from + 1 + random.IntN(len(names)-1)) % len(names)
	if s.hot.Load() && from != 0 && to != 0 && random.IntN(2) == 0 {
		if random.IntN(2) == 0 {
			from = 0
		} else {
			to = 0
		}
	}
	return bank.Transfer{From: names[from], To: names[to], Amount: 1 + random.Int64N(10)}
}

// transfer makes one transfer of a client, and keeps at it until its outcome is known.
func (s *Side) transfer(ctx context.Context, id string, t bank.Transfer) {
	s.moving.RLock()
	defer s.moving.RUnlock()
	s.under.Add(1)
	defer s.under.Add(-1)
	start := time.Now()
	done, err := s.insist(ctx, s.start(id, t))
	if err != nil {
		return // the demo is over
	}
	s.meter.add(time.Since(start))
	s.books.acknowledge(s.function, id, t, done)
}

// retryGap is how long a client waits before it asks again for what it does not know.
const retryGap = 50 * time.Millisecond

// insist makes a request until its outcome is known, which it is under its id: done, or failed, in which nothing has happened. An error says that
// ctx is over.
func (s *Side) insist(ctx context.Context, r functions.Request) (done bool, err error) {
	for {
		err := s.client.Do(ctx, r)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, bank.ErrInsufficientFunds), errors.Is(err, functions.ErrNotFound), errors.Is(err, functions.ErrExists):
			return false, nil
		case !sleep(ctx, retryGap):
			return false, ctx.Err()
		}
	}
}

// look is an outside reader, who adds up the clients' accounts at any moment, in a transaction of his own.
func (s *Side) look(ctx context.Context) {
	for sleep(ctx, lookGap) {
		total, err := client.Ask(ctx, s.client, bank.Total.With(names))
		if err != nil {
			continue // the engine is down
		}
		s.mu.Lock()
		s.looks++
		if total != int64(len(names))*opening {
			s.halves++
		}
		s.mu.Unlock()
	}
}

// countGap is the time between two counts.
const countGap = 500 * time.Millisecond

// countAgain counts the money again and again, unless an action is under way.
func (s *Side) countAgain(ctx context.Context) {
	for sleep(ctx, countGap) {
		if s.acting.TryLock() {
			s.count(ctx)
			s.acting.Unlock()
		}
	}
}

// count waits until no transfer is under way, and compares each account with the books. An action has to be over, too.
func (s *Side) count(ctx context.Context) {
	s.moving.Lock()
	defer s.moving.Unlock()
	balances := map[string]int64{}
	for account := range s.books.balances {
		for {
			balance, err := client.Ask(ctx, s.client, bank.Balance.On(account))
			if err == nil {
				balances[account] = balance
			}
			if err == nil || errors.Is(err, functions.ErrNotFound) {
				break
			}
			if !sleep(ctx, retryGap) {
				return
			}
		}
	}
	total, wrong := s.books.compare(balances)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.money = money{Total: total, Must: s.books.total, Accounts: len(s.books.balances), Wrong: wrong, Counted: time.Now()}
}

func (s *Side) setPhase(phase string) {
	s.mu.Lock()
	s.phase = phase
	s.mu.Unlock()
}

// sleep sleeps, and reports whether ctx is not over.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return ctx.Err() == nil
	}
}
