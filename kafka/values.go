package kafka

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// ToTopic makes records for one topic, with the record's key, none if that is empty, and a value that encode makes: see [Raw] and [JSON].
func ToTopic(topic string, encode func(value []byte) ([]byte, error)) func(engine.Record) (*kgo.Record, error) {
	return func(r engine.Record) (*kgo.Record, error) {
		value, err := encode(r.Value)
		if err != nil {
			return nil, err
		}
		p := &kgo.Record{Topic: topic, Value: value}
		if r.Key != "" {
			p.Key = []byte(r.Key)
		}
		return p, nil
	}
}

// Raw takes the values of a functions.Egress[[]byte] as they are: protobuf messages, say, that the operation has encoded.
func Raw(value []byte) (data []byte, err error) {
	err = functions.Decode(value, &data)
	return data, err
}

// JSON encodes the values of a functions.Egress[T] as JSON.
func JSON[T any](value []byte) ([]byte, error) {
	var v T
	if err := functions.Decode(value, &v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// Headers of records.
const (
	// ReplyTopicHeader, of a request: the topic that its answer goes to.
	ReplyTopicHeader = "concordat-reply-topic"
	// CorrelationHeader, of a request: comes back with its answer.
	CorrelationHeader = "concordat-correlation"
	// RequestHeader, of an answer: the request id.
	RequestHeader = "concordat-request"
	// StatusHeader, of an answer: "succeeded" or "failed".
	StatusHeader = "concordat-status"
	// FailureHeader, of an answer to what failed: why.
	FailureHeader = "concordat-failure"
)

// replyTo is the context of an answer.
type replyTo struct {
	Topic       string `cbor:"1,keyasint"`
	Key         []byte `cbor:"2,keyasint,omitempty"`
	Correlation []byte `cbor:"3,keyasint,omitempty"`
}

// Answers makes records of the answers that an ingress has asked for. They have the key of the request, its correlation header, and the
// headers of an answer. encode makes the value of an answer that succeeded, see [Result]; one that failed has none.
func Answers(encode func(a *engine.RecordAnswer) ([]byte, error)) func(engine.Record) (*kgo.Record, error) {
	return func(r engine.Record) (*kgo.Record, error) {
		a, err := engine.DecodeRecordAnswer(r.Value)
		if err != nil {
			return nil, err
		}
		var to replyTo
		if err := codec.Decode(a.Context, &to); err != nil {
			return nil, fmt.Errorf("kafka: an answer that no ingress of this package has asked for: %w", err)
		}
		p := &kgo.Record{Topic: to.Topic, Key: to.Key, Headers: []kgo.RecordHeader{{Key: RequestHeader, Value: []byte(a.RequestID)}}}
		header := func(key, value string) {
			p.Headers = append(p.Headers, kgo.RecordHeader{Key: key, Value: []byte(value)})
		}
		if to.Correlation != nil {
			header(CorrelationHeader, string(to.Correlation))
		}
		if failure := a.Err(); failure != nil {
			header(StatusHeader, "failed")
			header(FailureHeader, strings.ToValidUTF8(failure.Error(), "\ufffd"))
			return p, nil
		}
		header(StatusHeader, "succeeded")
		p.Value, err = encode(&a)
		return p, err
	}
}

// Result encodes the results of functions that return an R as JSON, for [Answers].
func Result[R any](a *engine.RecordAnswer) ([]byte, error) {
	var result R
	if err := a.Decode(&result); err != nil {
		return nil, err
	}
	return json.Marshal(result)
}

// NoResult is for [Answers] of functions that return nothing.
func NoResult(*engine.RecordAnswer) ([]byte, error) { return nil, nil }

// DeadLetter is a record that no call could be made of. It is the value of the records that an ingress emits to IngressOptions.DeadLetters.
type DeadLetter struct {
	Topic     string             `cbor:"1,keyasint"`
	Partition int32              `cbor:"2,keyasint"`
	Offset    int64              `cbor:"3,keyasint"`
	Time      time.Time          `cbor:"4,keyasint"`
	Key       []byte             `cbor:"5,keyasint"`
	Value     []byte             `cbor:"6,keyasint"`
	Headers   []DeadLetterHeader `cbor:"7,keyasint"`
	Reason    string             `cbor:"8,keyasint"`
	// Truncated says that key, value and headers are left out, since they are larger than the engine takes. The record is where it was.
	Truncated bool `cbor:"9,keyasint"`
}

// DeadLetterHeader is a header of a [DeadLetter].
type DeadLetterHeader struct {
	Key   string `cbor:"1,keyasint"`
	Value []byte `cbor:"2,keyasint"`
}

// Headers of dead letters.
const (
	// ReasonHeader: why it is one.
	ReasonHeader = "concordat-reason"
	// OriginHeader: where the record is, as topic-partition-offset.
	OriginHeader = "concordat-origin"
)

// DeadLetters makes records of dead letters, for a topic: key, value and headers are the record's, with two more headers.
func DeadLetters(topic string) func(engine.Record) (*kgo.Record, error) {
	return func(r engine.Record) (*kgo.Record, error) {
		var d DeadLetter
		if err := functions.Decode(r.Value, &d); err != nil {
			return nil, err
		}
		p := &kgo.Record{Topic: topic, Key: d.Key, Value: d.Value, Timestamp: d.Time}
		for _, h := range d.Headers {
			p.Headers = append(p.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
		}
		p.Headers = append(p.Headers,
			kgo.RecordHeader{Key: ReasonHeader, Value: []byte(d.Reason)},
			kgo.RecordHeader{Key: OriginHeader, Value: fmt.Appendf(nil, "%s-%d-%d", d.Topic, d.Partition, d.Offset)})
		return p, nil
	}
}

// deadLetter makes a dead letter of a record.
func deadLetter(r *kgo.Record, reason error) DeadLetter {
	d := DeadLetter{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Time: r.Timestamp, Key: r.Key, Value: r.Value,
		Reason: strings.ToValidUTF8(fmt.Sprint(reason), "\ufffd")}
	for _, h := range r.Headers {
		d.Headers = append(d.Headers, DeadLetterHeader{strings.ToValidUTF8(h.Key, "\ufffd"), h.Value})
	}
	return d
}

// Asking makes a message of a question, or of a call or start with a result: a record's answer, or its outcome, has the result.
func Asking[R any](q functions.RequestReturning[R]) functions.Message {
	var nowhere R
	envelope := q.EnvelopeInto(&nowhere)
	envelope.Into = nil
	return asked{envelope}
}

type asked struct{ envelope instances.Envelope }

// Envelope implements functions.Message.
func (a asked) Envelope() instances.Envelope { return a.envelope }

// FromJSON makes a route of records whose values are JSON.
func FromJSON[T any](f func(r *kgo.Record, value T) (functions.Message, error)) Route {
	return func(r *kgo.Record) (functions.Message, error) {
		var value T
		if err := json.Unmarshal(r.Value, &value); err != nil {
			return nil, err
		}
		return f(r, value)
	}
}

// FromProto makes a route of records whose values are protobuf messages. P is *T.
func FromProto[T any, P interface {
	*T
	proto.Message
}](f func(r *kgo.Record, value P) (functions.Message, error)) Route {
	return func(r *kgo.Record) (functions.Message, error) {
		value := P(new(T))
		if err := proto.Unmarshal(r.Value, value); err != nil {
			return nil, err
		}
		return f(r, value)
	}
}
