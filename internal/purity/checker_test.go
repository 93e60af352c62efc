// Package purity holds no code, only the test of a rule: the packages that are pure have no goroutine, clock, random source, disk or
// socket, and no result that depends on the order of a map. That is what lets a table, a script of messages or a simulator test them.
package purity

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

const module = "github.com/concordat-dev/concordat/"

// allowed are the packages of the standard library that pure packages may import: what is computed, not what is looked up.
var allowed = []string{
	"bytes", "cmp", "encoding", "encoding/binary", "encoding/hex", "errors", "fmt", "hash/fnv", "iter", "maps", "math", "math/big", "math/bits",
	"reflect", "runtime/debug", "slices", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

// pure are the pure packages, each with what else it may import: imports run one way. goid tells goroutines of users that go astray.
var pure = map[string][]string{
	module + "internal/codec":    {"github.com/fxamacker/cbor/v2"},
	module + "internal/failures": {module + "internal/codec"},
	module + "internal/format":   {"github.com/cespare/xxhash/v2"},
	module + "internal/values": {
		module + "internal/codec", module + "internal/failures", "github.com/fxamacker/cbor/v2", "unsafe",
	},
	module + "internal/machine/instances": {
		module + "internal/codec", module + "internal/failures", module + "internal/format", module + "internal/values",
		"github.com/petermattis/goid", "sync/atomic", "unsafe",
	},
	module + "internal/machine/routines": {
		module + "internal/codec", module + "internal/failures", module + "internal/values", module + "internal/machine/instances",
		"github.com/petermattis/goid", "runtime", "sync/atomic",
	},
	module + "functions": {
		module + "internal/codec", module + "internal/failures", module + "internal/format", module + "internal/values",
		module + "internal/machine/instances",
	},
	module + "locks":    nil,
	module + "deadlock": {module + "locks"},
	module + "coordinator": {
		module + "functions", module + "internal/values", module + "internal/machine/instances", module + "internal/machine/routines",
	},
	module + "saga": {
		module + "functions", module + "coordinator", module + "internal/machine/instances", module + "internal/machine/routines",
	},
	module + "twopc": {
		module + "functions", module + "coordinator", module + "internal/machine/instances", module + "internal/machine/routines",
	},
	module + "internal/machine/sagas": {
		module + "internal/codec", module + "internal/failures", module + "internal/format", module + "internal/machine/instances",
		module + "internal/machine/routines", module + "saga",
	},
	module + "internal/machine/transactions": {
		module + "internal/failures", module + "internal/format", module + "internal/machine/instances", module + "internal/machine/routines",
		module + "locks", module + "twopc",
	},
}

// impure are functions and methods that pure packages do not use, by their full name.
var impure = map[string]string{
	"time.Now": "it reads a clock", "time.Since": "it reads a clock", "time.Until": "it reads a clock",
	"time.Sleep": "it waits", "time.After": "it waits", "time.Tick": "it waits", "time.AfterFunc": "it waits",
	"time.NewTimer": "it waits", "time.NewTicker": "it waits",
	"maps.Keys": "its order is random", "maps.Values": "its order is random", "maps.All": "its order is random",
	"(reflect.Value).MapKeys": "its order is random", "(reflect.Value).MapRange": "its order is random",
	"(reflect.Value).Seq": "its order may be random", "(reflect.Value).Seq2": "its order may be random",
	"fmt.Print": "it writes", "fmt.Println": "it writes", "fmt.Printf": "it writes",
	"fmt.Scan": "it reads", "fmt.Scanln": "it reads", "fmt.Scanf": "it reads",
	"runtime/debug.SetGCPercent": "it changes the process", "runtime/debug.SetMemoryLimit": "it changes the process",
}

// finding is a line that breaks the rule.
type finding struct {
	pos  token.Position
	text string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.pos.Filename, f.pos.Line, f.text) }

// checker looks at one package.
type checker struct {
	pkg      *packages.Package
	imports  []string // what it may import besides allowed
	excused  map[string]bool
	findings []finding
}

// check returns what is impure in a package.
func check(pkg *packages.Package, imports []string) []finding {
	c := &checker{pkg: pkg, imports: imports, excused: map[string]bool{}}
	for _, file := range pkg.Syntax {
		c.excuses(file)
		for _, spec := range file.Imports {
			c.checkImport(spec)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			c.node(n)
			return true
		})
	}
	return c.findings
}

func (c *checker) report(n ast.Node, format string, args ...any) {
	c.findings = append(c.findings, finding{c.pkg.Fset.Position(n.Pos()), fmt.Sprintf(format, args...)})
}

// excuses notes the lines of a file that a comment "//purity: reason" excuses: its own and the one below.
func (c *checker) excuses(file *ast.File) {
	for _, group := range file.Comments {
		for _, comment := range group.List {
			if reason, ok := strings.CutPrefix(comment.Text, "//purity:"); ok && strings.TrimSpace(reason) != "" {
				p := c.pkg.Fset.Position(comment.Pos())
				c.excused[key(p.Filename, p.Line)], c.excused[key(p.Filename, p.Line+1)] = true, true
			}
		}
	}
}

func key(file string, line int) string { return file + ":" + strconv.Itoa(line) }

func (c *checker) isExcused(n ast.Node) bool {
	p := c.pkg.Fset.Position(n.Pos())
	return c.excused[key(p.Filename, p.Line)]
}

func (c *checker) checkImport(spec *ast.ImportSpec) {
	path, _ := strconv.Unquote(spec.Path.Value)
	if !slices.Contains(allowed, path) && !slices.Contains(c.imports, path) && !c.isExcused(spec) {
		c.report(spec, "import of %s", path)
	}
}

func (c *checker) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.report(n, "go statement")
	case *ast.SelectStmt:
		c.report(n, "select statement")
	case *ast.ChanType, *ast.SendStmt:
		c.report(n, "channel")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.report(n, "channel")
		}
	case *ast.RangeStmt:
		c.ranges(n)
	case *ast.CallExpr:
		c.sorted(n)
	case *ast.Ident:
		c.use(n)
	}
}

// ranges checks a loop: over a channel it waits, over a map its order is random.
func (c *checker) ranges(n *ast.RangeStmt) {
	t := c.pkg.TypesInfo.TypeOf(n.X)
	if t == nil {
		return
	}
	over := []types.Type{t.Underlying()}
	if param, ok := types.Unalias(t).(*types.TypeParam); ok {
		over = termsOf(param)
	}
	for _, u := range over {
		switch u.(type) {
		case *types.Map:
			if !c.isExcused(n) {
				c.report(n, "range over a map: its order is random; sort, or say in a //purity: comment why it does not matter")
			}
		case *types.Chan:
			c.report(n, "range over a channel")
		}
	}
}

// termsOf are the types that a type parameter stands for, as far as they are named.
func termsOf(param *types.TypeParam) (all []types.Type) {
	constraint, _ := param.Constraint().Underlying().(*types.Interface)
	for i := range constraint.NumEmbeddeds() {
		switch e := constraint.EmbeddedType(i).Underlying().(type) {
		case *types.Union:
			for j := range e.Len() {
				all = append(all, e.Term(j).Type().Underlying())
			}
		default:
			all = append(all, e)
		}
	}
	return all
}

// sorted excuses maps.Keys and maps.Values directly inside of slices.Sorted.
func (c *checker) sorted(n *ast.CallExpr) {
	if f := c.callee(n); f != "slices.Sorted" {
		return
	}
	if inner, ok := n.Args[0].(*ast.CallExpr); ok && strings.HasPrefix(c.callee(inner), "maps.") {
		if s, ok := inner.Fun.(*ast.SelectorExpr); ok {
			p := c.pkg.Fset.Position(s.Sel.Pos())
			c.excused[p.String()] = true
		}
	}
}

// callee is the full name of the function that a call calls, or "".
func (c *checker) callee(n *ast.CallExpr) string {
	s, ok := n.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if f, ok := c.pkg.TypesInfo.Uses[s.Sel].(*types.Func); ok {
		return f.FullName()
	}
	return ""
}

// use checks a name.
func (c *checker) use(id *ast.Ident) {
	f, ok := c.pkg.TypesInfo.Uses[id].(*types.Func)
	if !ok {
		return
	}
	name := f.FullName()
	why, bad := impure[name]
	if !bad || c.isExcused(id) || c.excused[c.pkg.Fset.Position(id.Pos()).String()] {
		return
	}
	c.report(id, "%s: %s", name, why)
}
