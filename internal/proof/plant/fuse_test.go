package plant

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// chosenBy is the environment variable that says which plant a fused build has; without it, it has none.
const chosenBy = "CONCORDAT_PLANT"

// fused is a build with many plants at once, one of which is chosen when it runs: building with each in turn takes many times as
// long as all tests together.
//
// A plant can be fused if all that it changes are bodies of functions. The functions that it changes are there twice, as they are
// and, under another name, as the plant has them, and the first begins by calling the second if the plant is chosen.
type fused struct {
	files map[string]string // by path from the root: those that are changed, and one more for each package
}

// variant is a function as a plant has it.
type variant struct {
	plant string
	name  string // its name
	text  string // its text, but for "func", the receiver and the name
}

// fuse puts the plants into one build. It returns those that cannot be: they change more than bodies of functions.
func fuse(t *testing.T, plants []plant) (fused, []plant) {
	t.Helper()
	variants := make(map[string]map[string][]variant) // by file and function
	var apart []plant
	for _, p := range plants {
		found, ok := p.variants(t)
		if !ok {
			apart = append(apart, p)
			continue
		}
		for file, byFunction := range found {
			if variants[file] == nil {
				variants[file] = make(map[string][]variant)
			}
			for function, v := range byFunction {
				variants[file][function] = append(variants[file][function], v)
			}
		}
	}
	f := fused{make(map[string]string)}
	for _, file := range slices.Sorted(maps.Keys(variants)) {
		text, pkg := withVariants(t, file, variants[file])
		f.files[file] = text
		f.files[path.Join(path.Dir(file), "zz_planted.go")] = fmt.Sprintf("package %s\n\nimport \"os\"\n\nvar planted = os.Getenv(%q)\n", pkg, chosenBy)
	}
	return f, apart
}

// variants returns the functions that the plant changes, by file and by name, and whether it changes nothing else.
func (p plant) variants(t *testing.T) (map[string]map[string]variant, bool) {
	t.Helper()
	found := make(map[string]map[string]variant)
	for file, changed := range p.apply(t) {
		before, after := parse(t, file, source(t, file)), parse(t, file, changed)
		if before.rest() != after.rest() || len(before.functions) != len(after.functions) {
			return nil, false
		}
		found[file] = make(map[string]variant)
		for name, decl := range after.functions {
			old, there := before.functions[name]
			switch {
			case !there || before.head(old) != after.head(decl):
				return nil, false
			case before.body(old) != after.body(decl):
				found[file][name] = variant{p.name, "planted_" + strings.ReplaceAll(p.name, "-", "_") + "_" + decl.Name.Name, after.named(decl) + after.body(decl)}
			}
		}
	}
	return found, true
}

// withVariants returns the file with variants of some of its functions, and the name of its package.
func withVariants(t *testing.T, file string, variants map[string][]variant) (text, pkg string) {
	t.Helper()
	f := parse(t, file, source(t, file))
	var b strings.Builder
	at := 0
	for _, decl := range f.ordered {
		vs := variants[f.id(decl)]
		if vs == nil {
			continue
		}
		from, to := f.offset(decl.Pos()), f.offset(decl.Body.Lbrace)+1
		b.WriteString(f.text[at:from])
		named := f.named(decl)
		receiver, call := f.receiver(decl), f.call(decl)
		fmt.Fprintf(&b, "func %s%s%s{", receiver, decl.Name.Name, named)
		for _, v := range vs {
			invoke := v.name + call
			if decl.Recv != nil {
				invoke = decl.Recv.List[0].Names[0].Name + "." + invoke
			}
			if decl.Type.Results != nil {
				fmt.Fprintf(&b, "\n\tif planted == %q {\n\t\treturn %s\n\t}", v.plant, invoke)
			} else {
				fmt.Fprintf(&b, "\n\tif planted == %q {\n\t\t%s\n\t\treturn\n\t}", v.plant, invoke)
			}
		}
		b.WriteString("\n\t" + f.text[to:f.offset(decl.End())])
		for _, v := range vs {
			fmt.Fprintf(&b, "\n\nfunc %s%s%s", receiver, v.name, v.text)
		}
		at = f.offset(decl.End())
	}
	b.WriteString(f.text[at:])
	return b.String(), f.tree.Name.Name
}

// parsed is a file with its functions.
type parsed struct {
	text      string
	fset      *token.FileSet
	tree      *ast.File
	ordered   []*ast.FuncDecl
	functions map[string]*ast.FuncDecl // by id
}

func parse(t *testing.T, file, text string) *parsed {
	t.Helper()
	f := &parsed{text: text, fset: token.NewFileSet(), functions: make(map[string]*ast.FuncDecl)}
	tree, err := parser.ParseFile(f.fset, file, text, parser.SkipObjectResolution|parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	f.tree = tree
	for _, d := range tree.Decls {
		if decl, ok := d.(*ast.FuncDecl); ok && decl.Body != nil && decl.Name.Name != "init" {
			f.ordered = append(f.ordered, decl)
			f.functions[f.id(decl)] = decl
		}
	}
	return f
}

func (f *parsed) offset(at token.Pos) int { return f.fset.Position(at).Offset }

// id is what tells a function from the others of its file: its receiver's type and its name.
func (f *parsed) id(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return decl.Name.Name
	}
	return f.print(decl.Recv.List[0].Type) + "." + decl.Name.Name
}

// head is what is written before a function's body, and body is its body.
func (f *parsed) head(decl *ast.FuncDecl) string {
	return f.text[f.offset(decl.Pos()):f.offset(decl.Body.Lbrace)]
}

func (f *parsed) body(decl *ast.FuncDecl) string {
	return f.text[f.offset(decl.Body.Lbrace):f.offset(decl.End())]
}

// rest is the file without its functions' bodies.
func (f *parsed) rest() string {
	var b strings.Builder
	at := 0
	for _, decl := range f.ordered {
		b.WriteString(f.text[at:f.offset(decl.Body.Lbrace)])
		at = f.offset(decl.End())
	}
	return b.String() + f.text[at:]
}

// receiver is a function's receiver, with a name and in brackets; nothing if it has none.
func (f *parsed) receiver(decl *ast.FuncDecl) string {
	if decl.Recv == nil {
		return ""
	}
	r := decl.Recv.List[0]
	r.Names = named(r.Names, "planted_receiver")
	return fmt.Sprintf("(%s %s) ", r.Names[0].Name, f.print(r.Type))
}

// named is the text of a function's type, all of whose parameters have names.
func (f *parsed) named(decl *ast.FuncDecl) string {
	for i, p := range decl.Type.Params.List {
		p.Names = named(p.Names, fmt.Sprintf("planted_%d", i))
	}
	return strings.TrimPrefix(f.print(decl.Type), "func") + " "
}

// named gives names to what has none.
func named(names []*ast.Ident, name string) []*ast.Ident {
	if len(names) == 0 {
		return []*ast.Ident{ast.NewIdent(name)}
	}
	for i, n := range names {
		if n.Name == "_" {
			names[i] = ast.NewIdent(fmt.Sprintf("%s_%d", name, i))
		}
	}
	return names
}

// call is what follows a function's name where it is called with the parameters that it has itself got.
func (f *parsed) call(decl *ast.FuncDecl) string {
	var types, args []string
	if decl.Type.TypeParams != nil {
		for _, p := range decl.Type.TypeParams.List {
			for _, n := range p.Names {
				types = append(types, n.Name)
			}
		}
	}
	for _, p := range decl.Type.Params.List {
		for _, n := range p.Names {
			arg := n.Name
			if _, ok := p.Type.(*ast.Ellipsis); ok {
				arg += "..."
			}
			args = append(args, arg)
		}
	}
	call := "(" + strings.Join(args, ", ") + ")"
	if len(types) > 0 {
		call = "[" + strings.Join(types, ", ") + "]" + call
	}
	return call
}

func (f *parsed) print(node ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, token.NewFileSet(), node); err != nil {
		panic(err)
	}
	return b.String()
}

// TestFuse: a function that plants change calls what each makes of it when that is chosen, whatever the function looks like.
func TestFuse(t *testing.T) {
	f := parse(t, "x.go", `package x

type T[K any] struct{}

func (T[K]) m(_ int, _ string, rest ...K) (n int, err error) { return 1, nil }

func g[A, B any](a A) { println(a) }
`)
	for id, want := range map[string][3]string{
		"T[K].m": {"(planted_receiver T[K]) ", "(planted_0_0 int, planted_1_0 string, rest ...K) (n int, err error) ", "(planted_0_0, planted_1_0, rest...)"},
		"g":      {"", "[A, B any](a A) ", "[A, B](a)"},
	} {
		decl := f.functions[id]
		if decl == nil {
			t.Fatalf("there is no %s", id)
		}
		named := f.named(decl)
		if got := [3]string{f.receiver(decl), named, f.call(decl)}; got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
	}
	if rest := f.rest(); strings.Contains(rest, "return 1") || !strings.Contains(rest, "func g[A, B any](a A) ") {
		t.Errorf("without the bodies: %s", rest)
	}
	together, apart := fuse(t, table)
	if len(apart) > len(table)/4 {
		t.Errorf("%d of %d plants have to be built apart", len(apart), len(table))
	}
	for file, text := range together.files {
		if _, err := parser.ParseFile(token.NewFileSet(), file, text, parser.SkipObjectResolution); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d plants are built apart", len(apart))
}
