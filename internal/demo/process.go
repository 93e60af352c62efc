package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is an engine's process: it is started, and started again whenever it has ended, always at the same address, until the demo ends.
type process struct {
	command func(dir, address string) *exec.Cmd
	dir     string
	tell    func(stdin io.Writer) // writes to a process what it has to know, until that has ended

	mu      sync.Mutex
	address string
	running *exec.Cmd // nil while none serves
	starts  int       // how many processes have served
	changed chan struct{}
}

func newProcess(command func(dir, address string) *exec.Cmd, dir string, tell func(stdin io.Writer)) *process {
	return &process{command: command, dir: dir, tell: tell, address: "127.0.0.1:0", changed: make(chan struct{})}
}

// Bounds of starting a process.
const (
	startWithin = time.Minute // a recovery, on a machine that is busy
	maxFailures = 5           // starts in a row that fail
	failurePace = 200 * time.Millisecond
)

// supervise keeps a process running. It returns once ctx is over and the process has ended, or when the process does not start.
func (p *process) supervise(ctx context.Context) error {
	for failures := 0; ; {
		served, err := p.run(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case served:
			failures = 0 // it was killed, or has failed: the next one goes on
			continue
		}
		if failures++; failures == maxFailures {
			return fmt.Errorf("demo: an engine does not start: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(failurePace):
		}
	}
}

// run runs one process to its end, and reports whether it has served.
func (p *process) run(ctx context.Context) (served bool, err error) {
	p.mu.Lock()
	cmd := p.command(p.dir, p.address)
	p.mu.Unlock()
	var said tail
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return false, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	told := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(stdout).ReadString('\n')
		told <- line
		_, _ = io.Copy(io.Discard, stdout)
	}()
	ended := make(chan error, 1)
	select {
	case line := <-told:
		if served = p.serving(cmd, line); served {
			go p.tell(stdin) // ends soon after Wait or endProcess have closed stdin
		} else {
			_ = cmd.Process.Kill()
		}
	case <-time.After(startWithin):
		_ = cmd.Process.Kill()
	case <-ctx.Done():
	}
	go func() { ended <- cmd.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = endProcess(cmd, stdin, ended)
	}
	p.set(nil)
	return served, errors.Join(err, said.err())
}

// endProcess tells a process to end, and kills it if it does not.
func endProcess(cmd *exec.Cmd, stdin io.Closer, ended <-chan error) error {
	_ = stdin.Close()
	select {
	case err := <-ended:
		return err
	case <-time.After(2 * endWithin):
		_ = cmd.Process.Kill()
		return <-ended
	}
}

// serving notes that a process serves, if that is what it says.
func (p *process) serving(cmd *exec.Cmd, line string) bool {
	text, found := strings.CutPrefix(strings.TrimSpace(line), announcement)
	u, err := url.Parse(text)
	if !found || err != nil {
		return false
	}
	p.mu.Lock()
	p.address = u.Host
	p.starts++
	p.mu.Unlock()
	p.set(cmd)
	return true
}

func (p *process) set(cmd *exec.Cmd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = cmd
	close(p.changed)
	p.changed = make(chan struct{})
}

// state is the number of the process that serves, 0 if none does, how many have served, and a channel that is closed when that changes.
func (p *process) state() (pid, starts int, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil {
		pid = p.running.Process.Pid
	}
	return pid, p.starts, p.changed
}

// url is where the process serves; "" before it has.
func (p *process) url() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.starts == 0 {
		return ""
	}
	return "http://" + p.address
}

// await waits until a process serves of which at least so many have served before.
func (p *process) await(ctx context.Context, before int) error {
	for {
		pid, starts, changed := p.state()
		if pid != 0 && starts > before {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// kill kills the process with SIGKILL, which it cannot notice, and returns its number; 0 if none serves.
func (p *process) kill() (pid int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == nil {
		return 0, nil
	}
	return p.running.Process.Pid, p.running.Process.Kill()
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// maxTail bounds it, in bytes.
const maxTail = 4 << 10

// Write implements io.Writer.
func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	t.text = t.text[max(0, len(t.text)-maxTail):]
	return len(text), nil
}

// err is what was said, as an error; nil if nothing was.
func (t *tail) err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) == 0 {
		return nil
	}
	return errors.New(strings.TrimSpace(string(t.text)))
}
