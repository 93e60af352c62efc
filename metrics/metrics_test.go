package metrics_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/common/expfmt"

	"github.com/concordat-dev/concordat/engine"
	"github.com/concordat-dev/concordat/examples/bank"
	"github.com/concordat-dev/concordat/metrics"
)

var ctx = context.Background()

// collector opens an engine and lets some happen on it.
func collector(t *testing.T) *metrics.Collector {
	t.Helper()
	e, err := engine.Open(engine.Options{Dir: t.TempDir(), ReserveBytes: -1, Workers: 1, Egresses: map[string]engine.Egress{"out": nowhere{}}, Logger: slog.New(slog.DiscardHandler)}, bank.Parts()...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(ctx) })
	for _, id := range []string{"a", "b", "b"} {
		_ = e.Do(ctx, bank.Open.On(id, 10)) // the last one fails
	}
	for range 3 {
		_ = e.Do(ctx, bank.TransferTx.With(bank.Transfer{From: "a", To: "b", Amount: 4})) // so does the third
	}
	return metrics.NewCollector(e)
}

// nowhere is an egress that is given nothing.
type nowhere struct{}

func (nowhere) Position() (uint64, error)                    { return 0, nil }
func (nowhere) Write(context.Context, []engine.Record) error { return nil }
func (nowhere) Close() error                                 { return nil }

// TestNames: the metrics are named as Prometheus wants it.
func TestNames(t *testing.T) {
	problems, err := testutil.CollectAndLint(collector(t))
	if err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
	if err := prometheus.NewPedanticRegistry().Register(collector(t)); err != nil {
		t.Error(err)
	}
}

// TestCounts: what has happened is counted, by function and failure.
func TestCounts(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector(t))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(&text, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{
		`concordat_request_duration_seconds_count{function="bank/account.open"} 3`,
		`concordat_request_duration_seconds_count{function="bank/transfer"} 3`,
		`concordat_request_duration_seconds_bucket{function="bank/transfer",le="68.719476736"} 3`,
		`concordat_request_failures_total{failure="bank: insufficient funds",function="bank/transfer"} 1`,
		`concordat_request_failures_total{failure="concordat: instance exists already",function="bank/account.open"} 1`,
		`concordat_inbox_requests 0`, `concordat_mailbox_messages 0`, `concordat_egress_records_waiting{egress="out"} 0`,
		`concordat_cache_misses_total 2`, `concordat_epochs_forced_total 0`, `concordat_epoch_size_bytes_bucket{le="1"} 2`,
		`concordat_requests_in_flight 0`, `concordat_sagas{phase="stuck"} 0`,
	} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("there is no line %s in\n%s", line, text.String())
		}
	}
	count := func(metric string) (n float64) {
		_, rest, _ := strings.Cut(text.String(), "\n"+metric+" ")
		if _, err := fmt.Sscan(rest, &n); err != nil {
			t.Errorf("%s: %v", metric, err)
		}
		return n
	}
	if sealed := count("concordat_epochs_total"); sealed < 6 || count("concordat_epoch_drain_duration_seconds_count") != sealed ||
		count("concordat_epoch_outcomes_sum") != 6 || count("concordat_epoch_outcomes_count") != sealed ||
		count("concordat_epoch_size_bytes_sum") != count("concordat_sealed_bytes_total") || count("concordat_log_size_bytes") == 0 {
		t.Errorf("of %v epochs:\n%s", sealed, text.String())
	}
	if hits := count("concordat_cache_hits_total"); hits < 6 {
		t.Errorf("%v calls have found their instance in memory", hits)
	}
}

// TestDashboard: the dashboard and the alerts ask for metrics that there are, and all metrics are on the page that describes them.
func TestDashboard(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collector(t))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range families {
		there[f.GetName()] = true
	}
	there["concordat_requests_without_outcome_total"] = true
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range there {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/metrics.md does not have %s", name)
		}
	}
	for _, file := range []string{"dashboard.json", "alerts.yaml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is no JSON", file)
		}
		names := regexp.MustCompile(`concordat_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) < 5 {
			t.Errorf("%s asks for %v only", file, names)
		}
		for _, name := range names {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				name = strings.TrimSuffix(name, suffix)
			}
			if !there[name] {
				t.Errorf("%s asks for %s, which there is not", file, name)
			}
		}
	}
}
