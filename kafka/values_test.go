package kafka_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/values"
	"github.com/concordat-dev/concordat/kafka"
)

// TestRoutes: JSON and protobuf messages are decoded, and what does not decode is an error.
func TestRoutes(t *testing.T) {
	route := kafka.FromProto(func(_ *kgo.Record, n *wrapperspb.Int64Value) (functions.Message, error) {
		return enter.On("a", int(n.Value)), nil
	})
	value, err := proto.Marshal(wrapperspb.Int64(7))
	must(t, err)
	m, err := route(&kgo.Record{Value: value})
	must(t, err)
	want := enter.On("a", 7).Envelope()
	if got := m.Envelope(); !got.SameAs(want) {
		t.Errorf("the record asks for %s", got.Target())
	}
	if _, err := route(&kgo.Record{Value: []byte{0xff}}); err == nil {
		t.Error("what is no protobuf message is routed")
	}
	if _, err := toEnter(&kgo.Record{Value: []byte("{")}); err == nil {
		t.Error("what is no JSON is routed")
	}
}

// TestValues: an egress of another type than its topic's is an error of the record.
func TestValues(t *testing.T) {
	number, err := values.Encode(7)
	must(t, err)
	for name, record := range map[string]func(engine.Record) (*kgo.Record, error){
		"raw": kafka.ToTopic("t", kafka.Raw), "json": kafka.ToTopic("t", kafka.JSON[order]),
		"answers": kafka.Answers(kafka.NoResult), "dead letters": kafka.DeadLetters("t"),
	} {
		if _, err := record(engine.Record{Value: number}); err == nil {
			t.Errorf("%s: a number is taken", name)
		}
	}
	r, err := kafka.ToTopic("t", kafka.JSON[int])(engine.Record{Key: "k", Value: number})
	must(t, err)
	if r.Topic != "t" || string(r.Key) != "k" || string(r.Value) != "7" {
		t.Errorf("it is %s: %s = %s", r.Topic, r.Key, r.Value)
	}
	if r, _ := kafka.ToTopic("t", kafka.JSON[int])(engine.Record{Value: number}); r.Key != nil {
		t.Errorf("without a key it has %q", r.Key)
	}
}
