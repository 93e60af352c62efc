package stages

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"github.com/concordat-dev/concordat/ycsb"
	"github.com/concordat-dev/concordat/ycsb/accounts"
)

// recorded is the split of a run of transfers by so few clients that epochs are small, and the conductor has much to do.
func recorded(t *testing.T, target ycsb.Target) Split {
	t.Helper()
	var r Recorder
	c := ycsb.Config{Keys: 100, Mix: ycsb.Mix{Transfer: 1}, Driving: ycsb.Driving{Clients: 4, Duration: time.Second, OnMeasured: r.Record}}
	result, err := ycsb.Run(t.Context(), c, target)
	if err != nil || result.Committed == 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	p, parseErr := profile.ParseData(r.data.Bytes())
	s, err := r.Split()
	if err := errors.Join(parseErr, err); err != nil {
		t.Fatal(err)
	}
	total := time.Duration(0)
	for _, one := range p.Sample {
		total += time.Duration(one.Value[1])
	}
	if s.Total() != total || total == 0 {
		t.Errorf("the stages have %v of %v", s.Total(), total)
	}
	return s
}

// TestRealProfile: in profiles of an engine under load the stages that every transfer passes have samples, and each sample has a stage.
// How many rounds that takes depends on how much of a processor there is.
func TestRealProfile(t *testing.T) {
	target, err := accounts.Open(accounts.Options{Dir: filepath.Join(t.TempDir(), "data"), Keys: 100, Protocol: accounts.Serializable})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	}()
	const rounds = 60
	sum := make(map[Stage]time.Duration)
	missing := []Stage{Workers, Conductor, Sealer, LogWriter, Clients}
	for round := 0; len(missing) > 0; round++ {
		if round == rounds {
			t.Fatalf("after %d rounds nothing of %v in %v", rounds, missing, sum)
		}
		s := recorded(t, target)
		for stage, spent := range s.CPU {
			sum[stage] += spent
		}
		if s.Elapsed < 900*time.Millisecond || s.Processors < 1 {
			t.Errorf("%+v", s)
		}
		still := missing[:0]
		for _, stage := range missing {
			if sum[stage] == 0 {
				still = append(still, stage)
			}
		}
		missing = still
	}
}

// TestNoProfile: what was not recorded, or is recorded twice at once, says so.
func TestNoProfile(t *testing.T) {
	var first, second, none Recorder
	over := first.Record()
	second.Record()()
	over()
	if _, err := first.Split(); err != nil {
		t.Error(err)
	}
	if _, err := second.Split(); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("two at once: %v", err)
	}
	if _, err := none.Split(); !errors.Is(err, ErrNothing) {
		t.Errorf("none: %v", err)
	}
	if _, err := first.Split(); !errors.Is(err, ErrNothing) {
		t.Errorf("a second time: %v", err)
	}
}

// TestNames: the functions by which stages are told apart are there, in this program, which has all that cmd/concordat measures. Were one
// of them renamed, its time would be the rest's, and nobody would know.
func TestNames(t *testing.T) {
	there := linked(t)
	names := []string{conduct}
	for name := range homes {
		names = append(names, name)
	}
	for in := range parts {
		names = append(names, in.function)
	}
	for _, name := range names {
		if !there[name] {
			t.Errorf("there is no function %s", name)
		}
	}
	for prefix := range homePackages {
		found := false
		for name := range there {
			found = found || strings.HasPrefix(name, prefix)
		}
		if !found {
			t.Errorf("there is no function whose name begins with %s", prefix)
		}
	}
}

// linked are the names in this program's table of functions, from which profiles have theirs; also of those that were inlined everywhere.
func linked(t *testing.T) map[string]bool {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the table of functions is read from ELF files only")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table := file.Section(".gopclntab")
	if table == nil {
		table = file.Section(".data.rel.ro.gopclntab") // of a program whose place in memory is open
	}
	if table == nil {
		t.Fatal("the program has no table of functions")
	}
	data, err := table.Data()
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for name := range bytes.SplitSeq(data, []byte{0}) {
		names[string(name)] = true
	}
	return names
}
