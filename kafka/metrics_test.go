package kafka_test

import (
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/concordat-dev/concordat/kafka"
)

// valueOf is the sum of a metric's values with some labels.
func valueOf(t *testing.T, registry *prometheus.Registry, name string, labels ...string) (sum float64, found bool) {
	t.Helper()
	families, err := registry.Gather()
	must(t, err)
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			var has []string
			for _, l := range m.GetLabel() {
				has = append(has, l.GetName()+"="+l.GetValue())
			}
			if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
				sum, found = sum+m.GetGauge().GetValue()+m.GetCounter().GetValue(), true
			}
		}
	}
	return sum, found
}

// TestMetrics: a registry shows what the clients of both ends do, also over claims that are made again, and how far the partitions are.
func TestMetrics(t *testing.T) {
	c := fake(t, 2, "in", "out")
	w, registry := newWorld(t, c.ListenAddrs()), prometheus.NewRegistry()
	w.ingress.Client = []kgo.Opt{kafka.ClientMetrics(registry, "orders")}
	w.egress.Client = []kgo.Opt{kafka.ClientMetrics(registry, "events")}
	produceOrders(t, client(t, w.brokers), "in", order{"a", 1}, order{"a", 2}, order{"b", 3})
	for round := range 2 {
		w.open()
		registry.MustRegister(kafka.NewCollector(map[string]*kafka.Ingress{"orders": w.source}))
		consume(t, w.brokers, "out").wait(t, 3)
		eventually(t, "the lag is none", func() bool {
			lag, found := valueOf(t, registry, "concordat_kafka_lag_records", "ingress=orders", "topic=in")
			next, _ := valueOf(t, registry, "concordat_kafka_next_offset", "ingress=orders")
			return found && lag == 0 && next == 3
		})
		if n, _ := valueOf(t, registry, "concordat_kafka_partition_stopped", "partition=0"); n != 0 {
			t.Errorf("%v partitions have stopped", n)
		}
		read, _ := valueOf(t, registry, "concordat_kafka_read_bytes_total", "end=orders")
		written, _ := valueOf(t, registry, "concordat_kafka_write_bytes_total", "end=events")
		if read == 0 || written == 0 {
			t.Errorf("round %d: %v bytes were read for the ingress, and %v written for the egress", round, read, written)
		}
		w.close()
		registry.Unregister(kafka.NewCollector(nil))
	}
	if _, found := valueOf(t, registry, "concordat_kafka_read_bytes_total"); found {
		t.Error("the clients are closed, and their metrics are still there")
	}
}

// TestMetricsOfStoppedPartitions: a partition that has stopped is told as that.
func TestMetricsOfStoppedPartitions(t *testing.T) {
	c := fake(t, 1, "in", "out")
	w, registry := newWorld(t, c.ListenAddrs()), prometheus.NewRegistry()
	must(t, client(t, w.brokers).ProduceSync(ctx, &kgo.Record{Topic: "in", Value: []byte("no JSON")}).FirstErr())
	w.open()
	registry.MustRegister(kafka.NewCollector(map[string]*kafka.Ingress{"orders": w.source}))
	eventually(t, "the partition has stopped", func() bool {
		n, _ := valueOf(t, registry, "concordat_kafka_partition_stopped", "ingress=orders", "topic=in", "partition=0")
		return n == 1
	})
	if lag, _ := valueOf(t, registry, "concordat_kafka_lag_records"); lag != 1 {
		t.Errorf("the lag is %v, want 1", lag)
	}
	w.close()
}
