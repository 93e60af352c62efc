// Package broker runs Apache Kafka, a real broker, for tests and for people: one process in KRaft mode, whose jars Maven fetches.
//
// It needs Java 17 or later and Maven. The jars are kept in the user's cache directory, so only the first start fetches them.
package broker

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Version is that of Apache Kafka.
const Version = "4.1.0"

//go:embed pom.xml
var pom []byte

// ErrMissing: the machine lacks Java or Maven.
var ErrMissing = errors.New("broker: Java 17 and Maven are needed to run Apache Kafka")

// Broker is a broker with a directory and an address of its own, which it keeps over restarts.
type Broker struct {
	dir        string
	jars       string
	port       int
	controller int
	process    *exec.Cmd
	output     *os.File
}

// Check reports whether the machine lacks what it takes: ErrMissing.
func Check() error {
	for _, program := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("%w: %w", ErrMissing, err)
		}
	}
	return nil
}

// New makes a broker in an empty directory, and does not start it. Port 0: any that is free. The first time it blocks until Maven has fetched
// the jars, some 40 MB. A machine without Java or Maven is ErrMissing.
func New(ctx context.Context, dir string, port int) (*Broker, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	jars, err := fetch(ctx)
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: dir, jars: jars, port: port}
	for _, p := range []*int{&b.port, &b.controller} {
		if *p == 0 {
			if *p, err = freePort(); err != nil {
				return nil, err
			}
		}
	}
	if err := os.WriteFile(b.path("server.properties"), []byte(b.properties()), 0o644); err != nil {
		return nil, err
	}
	format := b.java(ctx, "kafka.tools.StorageTool", "format", "-t", "concordat-test-broker1", "-c", b.path("server.properties"))
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("broker: format %s: %w: %s", dir, err, bytes.TrimSpace(out))
	}
	return b, nil
}

// fetch has Maven copy the jars to the cache, once, and returns where they are.
func fetch(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("broker: %w", err)
	}
	jars := filepath.Join(cache, "concordat", "kafka-"+Version)
	if _, err := os.Stat(jars); err == nil {
		return jars, nil
	}
	if err := os.MkdirAll(filepath.Dir(jars), 0o755); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(filepath.Dir(jars), "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		return "", err
	}
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", filepath.Join(dir, "pom.xml"), "dependency:copy-dependencies", "-DoutputDirectory="+filepath.Join(dir, "jars"))
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("broker: fetch Apache Kafka %s: %w: %s", Version, err, bytes.TrimSpace(out))
	}
	if err := os.Rename(filepath.Join(dir, "jars"), jars); err != nil && !errors.Is(err, os.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", err // another process may have been first
	}
	return jars, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func (b *Broker) path(name string) string { return filepath.Join(b.dir, name) }

// properties are the broker's: it is alone, so everything has one copy.
func (b *Broker) properties() string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", b.controller),
		fmt.Sprintf("listeners=PLAINTEXT://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", b.port, b.controller),
		fmt.Sprintf("advertised.listeners=PLAINTEXT://127.0.0.1:%d", b.port),
		"controller.listener.names=CONTROLLER",
		"listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs=" + b.path("data"),
		"auto.create.topics.enable=false",
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=1",
		"transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
		// A transaction that begins while the marks of the one before are written is tried again, by default 20 ms later.
		"add.partitions.to.txn.retry.backoff.ms=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		"group.initial.rebalance.delay.ms=0",
		"",
	}, "\n")
}

// java makes a command that runs a class of Kafka's.
func (b *Broker) java(ctx context.Context, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "java", append([]string{"-Xmx512m", "-cp", filepath.Join(b.jars, "*"), class}, args...)...)
}

// Address is the broker's, as host:port.
func (b *Broker) Address() string { return fmt.Sprintf("127.0.0.1:%d", b.port) }

// Start starts the broker, and returns once it answers, or ctx is over. Its output is in the file broker.log of its directory.
func (b *Broker) Start(ctx context.Context) error {
	var err error
	if b.output, err = os.OpenFile(b.path("broker.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	b.process = b.java(context.WithoutCancel(ctx), "kafka.Kafka", b.path("server.properties"))
	b.process.Stdout, b.process.Stderr = b.output, b.output
	if err := b.process.Start(); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return b.wait(ctx)
}

// wait waits until the broker answers.
func (b *Broker) wait(ctx context.Context) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(b.Address()))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		bounded, cancel := context.WithTimeout(ctx, time.Second)
		err := client.Ping(bounded)
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("broker: it does not answer: %w; see %s", err, b.path("broker.log"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Kill ends the broker as kill -9 does, and waits until it is gone.
func (b *Broker) Kill() error { return b.end(syscall.SIGKILL) }

// Stop ends the broker in good order, and waits until it is gone.
func (b *Broker) Stop() error { return b.end(syscall.SIGTERM) }

func (b *Broker) end(signal syscall.Signal) error {
	if b.process == nil {
		return nil
	}
	err := b.process.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil // the terminal has interrupted it, too
	}
	_ = b.process.Wait() // its status says by which signal it ended
	b.process = nil
	return errors.Join(err, b.output.Close())
}

// Pause stops the broker's process where it is, with all its connections, until Resume.
func (b *Broker) Pause() error { return b.process.Process.Signal(syscall.SIGSTOP) }

// Resume lets it go on.
func (b *Broker) Resume() error { return b.process.Process.Signal(syscall.SIGCONT) }
