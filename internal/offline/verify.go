package offline

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/concordat-dev/concordat/internal/log"
	"github.com/concordat-dev/concordat/internal/store"
	"github.com/concordat-dev/concordat/internal/table"
)

// Damage is something that is not what was written.
type Damage struct {
	File string `json:"file,omitempty"` // where it is; "" for a row, which may be in any
	At   int64  `json:"at,omitempty"`   // bytes from the file's beginning, of a file of the log
	Key  string `json:"key,omitempty"`  // of the row, quoted
	Text string `json:"text"`
}

func (d Damage) String() string {
	switch {
	case d.Key != "":
		return fmt.Sprintf("row %s: %s", d.Key, d.Text)
	case d.File != "" && d.At > 0:
		return fmt.Sprintf("%s at %d: %s", d.File, d.At, d.Text)
	case d.File != "":
		return fmt.Sprintf("%s: %s", d.File, d.Text)
	}
	return d.Text
}

// Verification is what [Verify] has read, and what is damaged.
type Verification struct {
	Dir     string   `json:"dir"`
	Entries uint64   `json:"entries"` // of the log, that are whole
	Files   int      `json:"files"`   // of the table
	Bytes   int64    `json:"bytes"`   // of log and files
	Rows    int64    `json:"rows"`    // that are there, with what the log has and the table does not
	Damaged int64    `json:"damaged"` // places and rows
	Damage  []Damage `json:"damage"`  // at most MaxDamage of them
}

// MaxDamage is how much damage a verification lists.
const MaxDamage = 1000

// Verify reads all of a directory and says what is damaged: each entry of the log, with the chain of their sums and the rows that they
// set; each block of the table's files, by its sum, up to the first of a file that is damaged; each row, as an engine would find it, and
// whether rows go together. It goes on behind damage. Errors are those of [Inspect], but for damage.
func Verify(ctx context.Context, o Options) (Verification, error) {
	o = o.withDefaults()
	v := verifier{Options: o, ctx: ctx, told: map[string]bool{}}
	v.found.Dir, v.found.Damage = o.Dir, []Damage{}
	if _, err := os.ReadDir(o.Dir); err != nil {
		return v.found, err
	}
	rows, err := v.open()
	if err != nil {
		return v.found, other(o.Dir, err)
	}
	err = v.log()
	if err == nil {
		err = v.files(rows)
	}
	if err == nil && rows.scan != nil {
		err = v.rows(rows)
	}
	if rows.close != nil {
		err = errors.Join(err, rows.close())
	}
	return v.found, err
}

// verifier collects damage.
type verifier struct {
	Options
	ctx    context.Context
	found  Verification
	told   map[string]bool // what was said already: one damaged block keeps several rows from being read
	shards int             // 0: not known
}

func (v *verifier) tell(d Damage) {
	if v.told[d.String()] {
		return
	}
	v.found.Damaged++
	if len(v.found.Damage) < MaxDamage {
		v.told[d.String()] = true
		v.found.Damage = append(v.found.Damage, d)
	}
}

// source is where rows are read from: the table, or if that does not open, the store alone, or nothing.
type source struct {
	get   func(key []byte) ([]byte, bool, error)
	scan  func(lower, upper []byte, visit func(key, value []byte) error) error
	files func() ([]store.TableFile, error)
	check func() error
	close func() error
}

// open opens what can be read of the directory. An error says that it is not an engine's.
func (v *verifier) open() (s source, err error) {
	t, err := openTable(v.Options)
	if err == nil {
		s = source{t.Get, t.Scan, func() ([]store.TableFile, error) { d, err := t.Describe(); return d.Files, err }, t.CheckLevels, t.Close}
	} else {
		if isOther(err) {
			return s, err
		}
		whole := err
		if st, err := openStore(v.Options); err == nil {
			s = source{st.Get, st.Scan, st.TableFiles, st.CheckLevels, st.Close}
		}
		if !errors.Is(whole, log.ErrDamaged) || s.get == nil { // else reading the log says more
			v.tell(Damage{Text: whole.Error()})
		}
	}
	if s.get == nil {
		s.files = func() ([]store.TableFile, error) { return store.TableFilesIn(v.Dir) }
		return s, nil
	}
	f, err := formatIn(v.Dir, s.get)
	switch {
	case errors.Is(err, ErrFormat):
		return source{}, errors.Join(err, s.close())
	case err != nil:
		v.tell(Damage{Text: err.Error()})
	}
	v.shards = f.Shards
	return s, nil
}

// log reads the log.
func (v *verifier) log() error {
	read, err := table.VerifyLog(v.Dir, func(entry uint64, key, value []byte) error {
		if v.ctx.Err() != nil {
			return context.Cause(v.ctx)
		}
		if _, err := decode(key, value, v.shards); err != nil {
			v.tell(Damage{Key: fmt.Sprintf("%q", key), Text: fmt.Sprintf("in entry %d of the log: %v", entry, err)})
		}
		return nil
	}, func(d log.Damage) { v.tell(Damage{File: d.File, At: d.At, Text: d.Text}) })
	v.found.Entries, v.found.Bytes = read.Entries, read.Bytes
	return err
}

// files reads the files of the table.
func (v *verifier) files(s source) error {
	files, err := s.files()
	if err != nil {
		v.tell(Damage{Text: err.Error()})
	}
	for i, file := range files {
		if v.ctx.Err() != nil {
			return context.Cause(v.ctx)
		}
		v.Progress("table", float64(i)/float64(len(files)))
		if err := file.Verify(); err != nil {
			v.tell(Damage{File: file.Path, Text: err.Error()})
			s.check = nil // it would find the same
		}
		v.found.Files++
		v.found.Bytes += file.Bytes
	}
	if s.check == nil {
		return nil
	}
	if err := s.check(); err != nil {
		v.tell(Damage{Text: fmt.Sprintf("the table's files do not go together: %v", err)})
	}
	return nil
}

// rows reads the rows.
func (v *verifier) rows(from source) error {
	rows := newTally(v.shards, func(key []byte, err error) { v.tell(Damage{Key: fmt.Sprintf("%q", key), Text: err.Error()}) })
	s := scanner{
		ctx: v.ctx, shards: v.shards, scan: from.scan,
		each: func(key, value []byte) {
			v.found.Rows++
			rows.add(key, value)
		},
		failed: func(behind []byte, err error) error {
			v.tell(Damage{Text: fmt.Sprintf("rows cannot be read, behind %q: %v", behind, err)})
			return nil
		},
		progress: func(done float64) { v.Progress("rows", done) },
	}
	if err := s.rows(); err != nil {
		return err
	}
	rows.end()
	return nil
}
