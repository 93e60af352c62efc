package table

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fill seals a batch of 1,000 rows with one letter in all values.
func fill(t *testing.T, tab *Table, b *Batch, letter byte) {
	t.Helper()
	for i := range 1000 {
		b.Set(fmt.Appendf(nil, "k%03d", i), bytes.Repeat([]byte{letter}, 100))
	}
	if err := b.Seal(); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryIsUsedAgain: the memory of what was applied is that of later batches, but while a view may look at it.
func TestMemoryIsUsedAgain(t *testing.T) {
	tab, err := Open(Options{Dir: "data", FS: vfs.NewMem(), Stepped: true, LayerBytes: 1 << 20, Ours: []byte("z"), Position: []byte("zz")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tab.Close(); err != nil {
			t.Error(err)
		}
	}()
	b := tab.NewBatch()
	fill(t, tab, b, 'a') // grows
	fill(t, tab, b, 'b') // has the usual memory
	if err := tab.Apply(); err != nil {
		t.Fatal(err)
	}
	if tab.spares.bytes < 200_000 {
		t.Fatalf("%d bytes of memory are spare after 200 kB were applied", tab.spares.bytes)
	}
	before := tab.spares.bytes
	fill(t, tab, b, 'c')
	if tab.spares.bytes >= before {
		t.Fatal("another batch did not take spare memory")
	}

	view := tab.View()
	before = tab.spares.bytes
	if err := tab.Apply(); err != nil {
		t.Fatal(err)
	}
	if tab.spares.bytes != before {
		t.Fatal("memory that a view looks at is spare")
	}
	for letter := byte('d'); letter < 'z'; letter++ {
		fill(t, tab, b, letter)
		if err := tab.Apply(); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := view.Rows([]byte("k"), []byte("l"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; rows.Next(); n++ {
		if value, err := rows.Value(); err != nil || !bytes.Equal(value, bytes.Repeat([]byte("c"), 100)) {
			t.Fatalf("a view shows %q of later, %v", value, err)
		}
	}
	if err := rows.Close(); err != nil || n != 1000 {
		t.Fatalf("%d rows, %v", n, err)
	}
	if err := view.Close(); err != nil {
		t.Fatal(err)
	}
	most := tab.spares.most
	for range 50 {
		fill(t, tab, b, 'x')
	}
	if err := tab.Apply(); err != nil {
		t.Fatal(err)
	}
	if tab.spares.bytes == 0 || tab.spares.bytes > most {
		t.Fatalf("%d bytes are spare, at most %d", tab.spares.bytes, most)
	}
}
