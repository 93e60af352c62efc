// Package settings reads from a file how a server is connected to Kafka ([Settings]): which topics ask for which functions, where outcomes and
// dead letters go, and how brokers are reached. A program that routes records by code of its own uses package kafka itself.
package settings

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/kafka"
	"github.com/concordat-dev/concordat/server"
)

// Settings are the part of a server's file of settings that is about Kafka.
type Settings struct {
	// Brokers are some of the cluster's, as host:port. Required.
	Brokers []string `json:"brokers"`
	// TLS and SASL say how brokers are reached. Default: without.
	TLS  *TLS  `json:"tls,omitempty"`
	SASL *SASL `json:"sasl,omitempty"`
	// Ingresses are what is read, by the names under which the engine keeps positions. Required.
	Ingresses map[string]Ingress `json:"ingresses"`
}

// Ingress says what becomes of the records of some topics.
type Ingress struct {
	// Topics are read. Required.
	Topics []string `json:"topics"`
	// Function is what each record asks for: a coordinator function, such as "bank/transfer", or an operation, such as "bank/account.credit",
	// on the instance that the record's key names. The record's value is the argument, in JSON. Required.
	Function string `json:"function"`
	// Start is where a topic begins that was not read before: "earliest", "latest", or a time (RFC 3339). Default: "earliest".
	Start string `json:"start,omitempty"`
	// Lost says what to do where records were deleted before they were read: "stop" or "skip". Default: "stop".
	Lost string `json:"lost,omitempty"`
	// Unordered lets a record begin though one with its key has no outcome yet.
	Unordered bool `json:"unordered,omitempty"`
	// NoOutcomes keeps no outcomes of records under their request ids.
	NoOutcomes bool `json:"no_outcomes,omitempty"`
	// Answers says where outcomes go, the results in JSON. Default: nowhere.
	Answers *Answers `json:"answers,omitempty"`
	// DeadLetters says where records go that nothing can be made of. Default: they stop their partition.
	DeadLetters *DeadLetters `json:"dead_letters,omitempty"`
}

// Answers are an egress of outcomes.
type Answers struct {
	// Topics are those that a record may have its answer sent to; without a header of its own it goes to the first. Required.
	Topics []string `json:"topics"`
	Producer
}

// DeadLetters are an egress of records that nothing can be made of.
type DeadLetters struct {
	// Topic is where they go. Required.
	Topic string `json:"topic"`
	Producer
}

// Producer says how an egress writes.
type Producer struct {
	// TransactionalID, PositionTopic and AtLeastOnce are those of kafka.EgressOptions.
	TransactionalID string `json:"transactional_id,omitempty"`
	PositionTopic   string `json:"position_topic,omitempty"`
	AtLeastOnce     bool   `json:"at_least_once,omitempty"`
	// Timeout bounds a transaction, such as "10s".
	Timeout string `json:"timeout,omitempty"`
}

// Ends are what an engine is opened with, and a registry that shows them to Prometheus.
type Ends struct {
	Sources  map[string]engine.Source
	Egresses map[string]engine.Egress
	Metrics  *prometheus.Registry
}

// Ends makes the ingresses, and for each the egresses of its answers and its dead letters: NAME.answers and NAME.dead-letters. Files of
// certificates and passwords are read; no broker is asked. Error: what is wrong with the settings, all of it.
func (s *Settings) Ends(f *server.Functions, logger *slog.Logger) (ends Ends, err error) {
	b := builder{settings: s, functions: f, logger: logger, ends: Ends{
		Sources: map[string]engine.Source{}, Egresses: map[string]engine.Egress{}, Metrics: prometheus.NewRegistry(),
	}}
	if len(s.Brokers) == 0 {
		b.wrong("brokers: there are none")
	}
	if len(s.Ingresses) == 0 {
		b.wrong("ingresses: there are none")
	}
	if b.client, err = s.client(); err != nil {
		b.errs = append(b.errs, err)
	}
	shown := map[string]*kafka.Ingress{}
	for _, name := range slices.Sorted(maps.Keys(s.Ingresses)) {
		if g := b.ingress(name, s.Ingresses[name]); g != nil {
			b.ends.Sources[name], shown[name] = g, g
		}
	}
	b.ends.Metrics.MustRegister(kafka.NewCollector(shown))
	return b.ends, errors.Join(b.errs...)
}

// builder makes the ends, and collects what is wrong.
type builder struct {
	settings  *Settings
	functions *server.Functions
	logger    *slog.Logger
	client    []kgo.Opt
	ends      Ends
	errs      []error
}

func (b *builder) wrong(format string, args ...any) {
	b.errs = append(b.errs, fmt.Errorf(format, args...))
}

// clientOf is the options of the client of one end.
func (b *builder) clientOf(end string) []kgo.Opt {
	return append(slices.Clip(b.client), kafka.ClientMetrics(b.ends.Metrics, end))
}

// ingress makes an ingress and its egresses; nil if something is wrong with it.
func (b *builder) ingress(name string, i Ingress) *kafka.Ingress {
	f, err := b.functions.Find(i.Function)
	if err != nil {
		b.wrong("ingresses.%s.function: %w", name, err)
		return nil
	}
	o := b.ingressOptions(name, i)
	o.Route = route(f)
	if i.Answers != nil {
		b.egress(name, o.Answers, i.Answers.Producer, kafka.Answers(func(a *engine.RecordAnswer) ([]byte, error) { return f.Result(a.Result) }))
	}
	if d := i.DeadLetters; d != nil {
		if d.Topic == "" {
			b.wrong("ingresses.%s.dead_letters.topic: there is none", name)
		}
		b.egress(name, o.DeadLetters, d.Producer, kafka.DeadLetters(d.Topic))
	}
	g, err := kafka.NewIngress(o)
	if err != nil {
		b.wrong("ingresses.%s: %w", name, err)
	}
	return g
}

// ingressOptions are those of an ingress, without its route.
func (b *builder) ingressOptions(name string, i Ingress) kafka.IngressOptions {
	o := kafka.IngressOptions{
		Brokers: b.settings.Brokers, Topics: i.Topics, NoOutcomes: i.NoOutcomes, Unordered: i.Unordered, Client: b.clientOf(name), Logger: b.logger,
	}
	var err error
	if o.Start, err = parseStart(i.Start); err != nil {
		b.wrong("ingresses.%s.start: %w", name, err)
	}
	switch i.Lost {
	case "", "stop":
	case "skip":
		o.Lost = kafka.SkipLost
	default:
		b.wrong(`ingresses.%s.lost: %q is neither "stop" nor "skip"`, name, i.Lost)
	}
	if i.Answers != nil {
		o.Answers, o.ReplyTopics = name+".answers", i.Answers.Topics
	}
	if i.DeadLetters != nil {
		o.DeadLetters = name + ".dead-letters"
	}
	return o
}

// egress makes an egress.
func (b *builder) egress(ingress, name string, p Producer, record func(engine.Record) (*kgo.Record, error)) {
	o := b.egressOptions(ingress, name, p)
	o.Record = record
	g, err := kafka.NewEgress(o)
	if err != nil {
		b.wrong("ingresses.%s: %s: %w", ingress, name, err)
		return
	}
	b.ends.Egresses[name] = g
}

// egressOptions are those of an egress, without what it makes of records.
func (b *builder) egressOptions(ingress, name string, p Producer) kafka.EgressOptions {
	o := kafka.EgressOptions{
		Brokers: b.settings.Brokers, TransactionalID: p.TransactionalID, PositionTopic: p.PositionTopic, AtLeastOnce: p.AtLeastOnce,
		Client: b.clientOf(name), Logger: b.logger,
	}
	if p.Timeout != "" {
		var err error
		if o.Timeout, err = time.ParseDuration(p.Timeout); err != nil {
			b.wrong("ingresses.%s: the timeout of %s: %w", ingress, name, err)
		}
	}
	return o
}

// route makes records ask for a function. A value of no bytes is no argument.
func route(f server.Function) kafka.Route {
	return func(r *kgo.Record) (functions.Message, error) {
		if f.OnInstance() {
			return f.Message(string(r.Key), r.Value)
		}
		return f.Message("", r.Value)
	}
}

// parseStart reads where a topic begins.
func parseStart(text string) (kafka.Start, error) {
	switch text {
	case "", "earliest":
		return kafka.Earliest(), nil
	case "latest":
		return kafka.Latest(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return kafka.Start{}, fmt.Errorf(`%q is neither "earliest" nor "latest" nor a time like 2026-01-02T15:04:05Z`, text)
	}
	return kafka.At(at), nil
}
