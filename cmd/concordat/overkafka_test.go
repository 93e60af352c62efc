package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// TestOverKafka: a run over topics is measured and audited like others, with both protocols.
func TestOverKafka(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	for _, protocol := range []string{"saga", "serializable"} {
		var stdout, stderr bytes.Buffer
		args := words("ycsb run --kafka --brokers " + cluster.ListenAddrs()[0] + " --protocol " + protocol +
			" --mix read=20,update=20,transfer=50,insert=10 --dir " + filepath.Join(t.TempDir(), "d") + few)
		if status := run(args, &stdout, &stderr); status != exitOK {
			t.Fatalf("%s: status %d: %s", protocol, status, stderr.String())
		}
		for _, want := range []string{"committed      200", "kafka yes", "the sum of all balances is right"} {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: it does not say %q:\n%s", protocol, want, stdout.String())
			}
		}
	}
}

// TestOverKafkaUnable: what topics have no requests for is told, and nothing is run.
func TestOverKafkaUnable(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	var stdout, stderr bytes.Buffer
	args := words("ycsb run --kafka --brokers " + cluster.ListenAddrs()[0] + " --mix scan=100" + few)
	if status := run(args, &stdout, &stderr); status == exitOK || !strings.Contains(stderr.String(), "this target cannot scan") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
}
