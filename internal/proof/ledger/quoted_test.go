package ledger

import (
	"flag"
	"os"
	"regexp"
	"testing"

	"github.com/concordat-dev/concordat/ycsb/page"
)

var update = flag.Bool("update", false, "write the ledger's sums into docs/GUARANTEES.md")

// A number that the ledger holds is followed by what it counts: <!-- ledger CHECK COUNT -->; violations are a count, too.
var quoted = regexp.MustCompile(`([\d,]*)(<!-- ledger (\w+) (\w+) -->)`)

// What the documentation says was tried and found is what the ledger adds up to.
func TestGuaranteesQuoteTheLedger(t *testing.T) {
	const guarantees = "../../../docs/GUARANTEES.md"
	entries, err := Read("../../../results/ledger.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(guarantees)
	if err != nil {
		t.Fatal(err)
	}
	quotes := 0
	now := quoted.ReplaceAllFunc(text, func(quote []byte) []byte {
		quotes++
		m := quoted.FindSubmatch(quote)
		sum, violations := Sum(entries, string(m[3]), string(m[4]))
		if string(m[4]) == "violations" {
			sum = violations
		}
		if got := string(m[1]); got != page.Thousands(sum) && !*update {
			t.Errorf("%s says %s of %s %s, the ledger %s: go test ./internal/proof/ledger -update", guarantees, got, m[3], m[4], page.Thousands(sum))
		}
		return append([]byte(page.Thousands(sum)), m[2]...)
	})
	if quotes == 0 {
		t.Errorf("%s quotes nothing", guarantees)
	}
	if *update {
		if err := os.WriteFile(guarantees, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
