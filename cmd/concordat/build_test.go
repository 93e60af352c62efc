package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxSize is what the program that people are given may have, in bytes.
const maxSize = 45_000_000

// TestSize: the program stays small, linked as the Makefile does it. The Makefile's TAGS make it smaller by one more million; without them,
// what was built for other tests is linked again.
func TestSize(t *testing.T) {
	if testing.Short() {
		t.Skip("links the whole program")
	}
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`(?m)^LINK = (.+)$`).FindSubmatch(makefile)
	if link == nil || !bytes.Contains(makefile, []byte(`-ldflags "$(LINK) $(SET_COMMIT)" -o bin/concordat ./cmd/concordat`)) {
		t.Fatal("the Makefile does not say how the program is linked")
	}
	program := filepath.Join(t.TempDir(), "concordat")
	output, err := exec.Command("go", "build", "-buildvcs=false", "-ldflags", string(link[1]), "-o", program, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if output, err = exec.Command(program, "--help").CombinedOutput(); err != nil || !strings.Contains(string(output), "demo") {
		t.Fatalf("what was built is not the program: %v: %s", err, output)
	}
	info, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", info.Size())
	if info.Size() >= maxSize {
		t.Errorf("the program has %d bytes, and shall have less than %d: see go tool nm -size -sort size", info.Size(), maxSize)
	}
}

// TestLinked: what is large and not needed to run the program is not linked. It came in before by packages of which a function was used.
func TestLinked(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-tags", "pebblegozstd", ".")
	list.Stderr = os.Stderr
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(output))
	if len(linked) < 300 {
		t.Fatalf("%d packages are linked, which are too few to be all: %v", len(linked), linked)
	}
	unwanted := regexp.MustCompile(`^(` + strings.Join([]string{
		`testing`, `gonum\.org/v1/plot`, `gonum\.org/v1/gonum/(mat|blas|lapack|stat)`, `golang\.org/x/image`,
		`github\.com/(DataDog/zstd|hashicorp|bufbuild)`, `github\.com/twmb/franz-go/pkg/kfake`,
		`github\.com/concordat-dev/concordat/internal/(proof|report|postgrestest|protogen)`,
	}, "|") + `)(/|$)`)
	for _, path := range linked {
		if unwanted.MatchString(path) {
			t.Errorf("%s is linked", path)
		}
	}
}
