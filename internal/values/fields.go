package values

import (
	"cmp"
	"encoding"
	"fmt"
	"reflect"
	"runtime" //purity: for the names of functions
	"slices"
	"strconv"
	"strings"

	"github.com/fxamacker/cbor/v2"
)

// structField is a field that is encoded, or would be if no other field hid it.
type structField struct {
	field reflect.StructField
	index []int  // through embedded structs
	at    string // its path
	tag   fieldTag
}

// fieldsOf returns the fields of a struct that are encoded, those of embedded structs too, and refuses all others that have something
// to lose. It follows the codec's rules, which are those of encoding/json: of fields with one name the one that is embedded least deep
// is encoded, of several there the one with a tag, of several of those none.
func (b *builder) fieldsOf(t reflect.Type, at string) []structField {
	type embedded struct {
		typ   reflect.Type
		index []int
		at    string
	}
	var found []structField
	toArray := b.isToArray(t, at)
	met := map[reflect.Type]bool{t: true}
	for level := []embedded{{t, nil, at}}; len(level) > 0; {
		times, next := map[reflect.Type]int{}, []embedded(nil)
		for _, e := range level {
			for _, f := range b.ownFields(e.typ, e.at) {
				f.index = append(slices.Clone(e.index), f.index...)
				if !f.isFlattened() {
					found = append(found, f)
					continue
				}
				inner := f.field.Type
				if inner.Kind() == reflect.Pointer {
					inner = inner.Elem()
					b.checkEmbeddedPointer(f, toArray)
				}
				times[inner]++
				next = append(next, embedded{inner, f.index, f.at})
			}
		}
		level = level[:0]
		for _, e := range next {
			switch {
			case e.typ.Size() == 0 && e.typ.NumField() == 0: // nothing to lose
			case times[e.typ] > 1:
				b.lose(e.at, "%s is embedded twice, so it is not encoded", nameOf(e.typ))
			case met[e.typ]:
				b.lose(e.at, "%s is embedded less deep as well, so it is not encoded here", nameOf(e.typ))
			default:
				level = append(level, e)
			}
		}
		for _, e := range level {
			met[e.typ] = true
		}
	}
	return b.visible(found)
}

// isFlattened reports whether a field is an embedded struct whose fields are encoded in its place.
func (f *structField) isFlattened() bool {
	t := f.field.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return f.field.Anonymous && t.Kind() == reflect.Struct && f.tag.name == ""
}

// ownFields returns the fields that a struct itself has and that are encoded.
func (b *builder) ownFields(t reflect.Type, at string) []structField {
	var fields []structField
	for i := range t.NumField() {
		field := t.Field(i)
		f := structField{field: field, index: field.Index, at: at + "." + field.Name}
		var problem string
		if f.tag, problem = parseTag(field.Tag); problem != "" {
			b.lose(f.at, "%s", problem)
			continue
		}
		nothing := field.Name == "_" || field.Type.Size() == 0 && !field.IsExported()
		switch {
		case nothing || f.tag.left:
		case f.tag.hidden:
			b.lose(f.at, `a field with the tag json:"-" is not encoded; say cbor:"-" if it is not to last`)
		case !field.IsExported() && !f.isFlattened():
			b.lose(f.at, "%s", whyUnexported(t, &f))
		default:
			fields = append(fields, f)
		}
	}
	return fields
}

func whyUnexported(t reflect.Type, f *structField) string {
	if f.field.Anonymous && f.tag.name != "" {
		return "an embedded struct that is unexported and has a name in its tag does not decode"
	}
	why := `an unexported field is not encoded; export it, or say cbor:"-" if it is not to last`
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		why += fmt.Sprintf(" (%s has MarshalText; what counts are MarshalBinary and UnmarshalBinary, or MarshalCBOR and UnmarshalCBOR)", nameOf(t))
	}
	return why
}

// checkEmbeddedPointer refuses an embedded pointer that would not come back as it was.
func (b *builder) checkEmbeddedPointer(f structField, toArray bool) {
	switch {
	case !f.field.IsExported():
		b.lose(f.at, "an embedded pointer to an unexported struct does not decode")
	case toArray:
		b.lose(f.at, "an embedded pointer that is nil does not come back as nil from a struct that is encoded as an array")
	case !alwaysEncodes(f.field.Type.Elem()):
		b.lose(f.at, "an embedded pointer to a struct none of whose fields is always encoded comes back as nil")
	}
}

// alwaysEncodes reports whether at least one field of a struct is encoded whatever it is.
func alwaysEncodes(t reflect.Type) bool {
	for _, f := range new(builder).ownFields(t, "") {
		switch {
		case f.isFlattened():
			if f.field.Type.Kind() == reflect.Struct && alwaysEncodes(f.field.Type) {
				return true
			}
		case !f.tag.omit:
			return true
		}
	}
	return false
}

// visible returns the fields that no other one hides, and refuses the others.
func (b *builder) visible(found []structField) []structField {
	type name struct {
		text  string
		asInt bool
	}
	named := map[name][]structField{}
	for _, f := range found {
		n := name{cmp.Or(f.tag.name, f.field.Name), f.tag.asInt}
		named[n] = append(named[n], f)
	}
	var visible []structField
	for _, f := range found {
		others := named[name{cmp.Or(f.tag.name, f.field.Name), f.tag.asInt}]
		if len(others) == 1 {
			visible = append(visible, f)
			continue
		}
		slices.SortStableFunc(others, func(a, b structField) int {
			return cmp.Or(cmp.Compare(len(a.index), len(b.index)), -cmp.Compare(a.tag.rank(), b.tag.rank()))
		})
		first, second := others[0], others[1]
		switch {
		case len(first.index) == len(second.index) && first.tag.rank() == second.tag.rank():
			b.lose(f.at, "%s has the same name, so neither is encoded", cmp.Or(otherThan(f.at, first.at, second.at), first.at))
		case f.at == first.at:
			visible = append(visible, f)
		default:
			b.lose(f.at, "%s has the same name and hides it, so it is not encoded", first.at)
		}
	}
	return visible
}

// otherThan is the first of two paths that is another one.
func otherThan(at, a, b string) string {
	if a == at {
		return b
	}
	return a
}

// fieldTag is what a field's tag says about its encoding.
type fieldTag struct {
	name     string
	tagged   bool
	asInt    bool // the name is an integer
	omit     bool // the field may be left out
	omitZero bool // in particular if its method IsZero says so
	left     bool // cbor:"-": it is always left out, as somebody said in so many words
	hidden   bool // json:"-": it is left out, and perhaps nobody thought of it
}

func (t *fieldTag) rank() int {
	if t.tagged {
		return 1
	}
	return 0
}

// parseTag reads a field's tag as the codec does, and says what it cannot mean.
func parseTag(tag reflect.StructTag) (t fieldTag, problem string) {
	if !isWellFormed(tag) && (strings.Contains(string(tag), "cbor") || strings.Contains(string(tag), "json")) {
		return t, fmt.Sprintf("the tag %s does not parse: it has no effect", strconv.Quote(string(tag)))
	}
	text := tag.Get("cbor")
	ours := text != ""
	if !ours {
		text = tag.Get("json") // which has options that mean nothing here
	}
	if text == "-" {
		return fieldTag{left: ours, hidden: !ours}, ""
	}
	name, options, _ := strings.Cut(text, ",")
	t = fieldTag{name: name, tagged: text != ""}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "omitempty", "omitzero":
			t.omit, t.omitZero = true, t.omitZero || option == "omitzero"
		case "keyasint":
			t.asInt = true
		case "", "toarray": // see isToArray
		default:
			if ours {
				return t, fmt.Sprintf("its tag has the option %q, which does not exist", option)
			}
		}
	}
	if t.asInt {
		n, err := strconv.Atoi(name)
		if err != nil {
			return t, fmt.Sprintf("its tag says keyasint, and %q is no integer", name)
		}
		t.name = strconv.Itoa(n)
	}
	return t, ""
}

// isWellFormed reports whether a tag is a list of key:"value", as reflect.StructTag reads it.
func isWellFormed(tag reflect.StructTag) bool {
	for rest := strings.TrimLeft(string(tag), " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		key, after, ok := strings.Cut(rest, ":")
		if !ok || key == "" || strings.ContainsAny(key, " \"\x7f") || !strings.HasPrefix(after, `"`) {
			return false
		}
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil {
			return false
		}
		rest = after[len(quoted):]
	}
	return true
}

// isToArray reports whether a struct is encoded as an array: the option is that of a field _.
func (b *builder) isToArray(t reflect.Type, at string) bool {
	f, ok := t.FieldByName("_")
	if !ok {
		return false
	}
	name, options, _ := strings.Cut(f.Tag.Get("cbor"), ",")
	if name == "toarray" {
		b.lose(at+"._", `the tag cbor:"toarray" has no effect: write cbor:",toarray"`)
	}
	return slices.Contains(strings.Split(options, ","), "toarray")
}

// hasCodec reports whether a type encodes itself and decodes itself again. Half of that is refused, and a codec that a struct owes to
// a struct that it embeds: it encodes that one alone.
func (b *builder) hasCodec(t reflect.Type, at string) bool {
	p := reflect.PointerTo(t)
	toCBOR, fromCBOR := p.Implements(reflect.TypeFor[cbor.Marshaler]()), p.Implements(reflect.TypeFor[cbor.Unmarshaler]())
	toBinary, fromBinary := p.Implements(reflect.TypeFor[encoding.BinaryMarshaler]()), p.Implements(reflect.TypeFor[encoding.BinaryUnmarshaler]())
	isBytes := (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && t.Elem().Kind() == reflect.Uint8
	switch {
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface: // *T has the methods of T: that is looked at as T
		return false
	case toCBOR != fromCBOR:
		b.lose(at, "%s has only one of MarshalCBOR and UnmarshalCBOR, so it does not come back", nameOf(t))
	case toCBOR:
		b.checkPromoted(t, at, "MarshalCBOR")
		b.checkPromoted(t, at, "UnmarshalCBOR")
	case toBinary && !fromBinary, fromBinary && !toBinary && isBytes:
		b.lose(at, "%s has only one of MarshalBinary and UnmarshalBinary, so it does not come back", nameOf(t))
	case toBinary:
		b.checkPromoted(t, at, "MarshalBinary")
		b.checkPromoted(t, at, "UnmarshalBinary")
	default:
		return false
	}
	return true
}

// checkPromoted refuses a struct that has a codec method from a struct that it embeds and another field besides.
func (b *builder) checkPromoted(t reflect.Type, at, method string) {
	if t.Kind() != reflect.Struct || !isPromoted(t, method) {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _ := parseTag(f.Tag)
		if _, has := methodOf(f.Type, method); f.Name == "_" || f.Type.Size() == 0 || tag.left || f.Anonymous && has {
			continue
		}
		b.lose(at+"."+f.Name, "it is not encoded: %s has its %s from a field that it embeds", nameOf(t), method)
	}
}

// isPromoted reports whether the method of a struct, or of a pointer to it, is that of a field that it embeds: then the compiler
// wrote the code of it.
func isPromoted(t reflect.Type, method string) bool {
	embeds := false
	for i := range t.NumField() {
		_, has := methodOf(t.Field(i).Type, method)
		embeds = embeds || has && t.Field(i).Anonymous
	}
	m, ok := methodOf(t, method)
	if !embeds || !ok {
		return false
	}
	code := runtime.FuncForPC(m.Func.Pointer())
	file, _ := code.FileLine(m.Func.Pointer())
	return file == "<autogenerated>"
}

// methodOf finds a codec method of a type, or of a pointer to it. The names stand here one by one so that the linker need not keep all
// methods of all types.
func methodOf(t reflect.Type, method string) (reflect.Method, bool) {
	for _, t := range []reflect.Type{t, reflect.PointerTo(t)} {
		var m reflect.Method
		var ok bool
		switch method {
		case "MarshalCBOR":
			m, ok = t.MethodByName("MarshalCBOR")
		case "UnmarshalCBOR":
			m, ok = t.MethodByName("UnmarshalCBOR")
		case "MarshalBinary":
			m, ok = t.MethodByName("MarshalBinary")
		case "UnmarshalBinary":
			m, ok = t.MethodByName("UnmarshalBinary")
		}
		if ok {
			return m, true
		}
	}
	return reflect.Method{}, false
}
