package kafka

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kprom"
)

// ClientMetrics is an option for the Client of one ingress or one egress: a registry shows what the client reads, writes and waits for, as
// concordat_kafka_... metrics of franz-go's kprom with the label "end", which tells the ends of a program apart. An end's metrics are there
// while it has a client: an ingress while it runs, an egress once it has connected.
func ClientMetrics(registry prometheus.Registerer, end string) kgo.Opt {
	return kgo.WithHooks(kprom.NewMetrics("concordat_kafka", kprom.Registerer(registry), kprom.WithStaticLabel(prometheus.Labels{"end": end})))
}

// Collector shows to Prometheus how far ingresses are. Make it with [NewCollector].
type Collector struct {
	ingresses map[string]*Ingress
}

// NewCollector makes a collector of ingresses, by the names that they have in the engine.
func NewCollector(ingresses map[string]*Ingress) *Collector { return &Collector{ingresses} }

var (
	lagRecords = prometheus.NewDesc("concordat_kafka_lag_records", "Records of a partition that are not delivered to the engine yet.", partitionLabels, nil)
	nextOffset = prometheus.NewDesc("concordat_kafka_next_offset", "The offset of a partition that is delivered next.", partitionLabels, nil)
	stopped    = prometheus.NewDesc("concordat_kafka_partition_stopped", "1 if a partition is not read any more until the engine is opened again.", partitionLabels, nil)

	partitionLabels = []string{"ingress", "topic", "partition"}
)

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{lagRecords, nextOffset, stopped} {
		to <- d
	}
}

// Collect implements prometheus.Collector. It asks no broker.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	for name, g := range c.ingresses {
		for _, p := range g.Partitions() {
			gauge := func(of *prometheus.Desc, value float64) {
				to <- prometheus.MustNewConstMetric(of, prometheus.GaugeValue, value, name, p.Topic, strconv.Itoa(int(p.Partition)))
			}
			gauge(lagRecords, float64(p.Lag()))
			gauge(nextOffset, float64(p.Next))
			if p.Stopped != nil {
				gauge(stopped, 1)
			} else {
				gauge(stopped, 0)
			}
		}
	}
}
