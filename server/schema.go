package server

import (
	"encoding"
	stdjson "encoding/json"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// schema is a JSON schema (2020-12), or a part of an OpenAPI document.
type schema map[string]any

// schemas makes the JSON schemas of Go types, as values.go reads and writes them. Types with a name are defined once, and referred to.
type schemas struct {
	prefix  string // of references
	defined schema
	names   map[reflect.Type]string
}

func newSchemas(prefix string) *schemas {
	return &schemas{prefix: prefix, defined: schema{}, names: map[reflect.Type]string{}}
}

// schemaText is the JSON schema of a type, with what it refers to.
func schemaText(t reflect.Type) string {
	s := newSchemas("#/$defs/")
	root := s.of(t)
	if len(s.defined) > 0 {
		root["$defs"] = s.defined
	}
	return string(mustMarshal(root))
}

// mustMarshal is the JSON of what this package made itself.
func mustMarshal(v any) []byte {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		panic("server: a document of its own always encodes: " + err.Error())
	}
	return text
}

// implements reports whether values of a type, or pointers to them, have the methods of the interface.
func implements[I any](t reflect.Type) bool {
	i := reflect.TypeFor[I]()
	return t.Implements(i) || reflect.PointerTo(t).Implements(i)
}

// of is the schema of a type.
func (s *schemas) of(t reflect.Type) schema {
	switch t {
	case reflect.TypeFor[time.Time]():
		return schema{"type": "string", "format": "date-time"}
	case reflect.TypeFor[time.Duration]():
		return schema{"type": "string", "description": `a duration, such as "1m30s"`}
	case reflect.TypeFor[big.Int]():
		return schema{"type": "integer"}
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return schema{"anyOf": []any{s.of(t.Elem()), schema{"type": "null"}}}
	case implements[stdjson.Marshaler](t), implements[json.MarshalerTo](t):
		return schema{"description": "written by the type's own methods: " + t.String()}
	case implements[encoding.TextMarshaler](t):
		return schema{"type": "string", "description": "written by the type's own methods: " + t.String()}
	}
	if t.PkgPath() != "" && isMadeOf(t.Kind()) {
		return s.reference(t)
	}
	return s.ofKind(t)
}

// isMadeOf reports whether types of a kind are made of others, which may be the type itself.
func isMadeOf(k reflect.Kind) bool {
	return k == reflect.Struct || k == reflect.Slice || k == reflect.Array || k == reflect.Map
}

// reference defines a type that has a name, and refers to it.
func (s *schemas) reference(t reflect.Type) schema {
	name, known := s.names[t]
	if !known {
		name = s.nameFor(t)
		s.names[t] = name
		s.defined[name] = schema{} // what it is made of may refer to it
		s.defined[name] = s.ofKind(t)
	}
	return schema{"$ref": s.prefix + name}
}

func (s *schemas) ofKind(t reflect.Type) schema {
	switch t.Kind() {
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Float32:
		return schema{"type": "number", "format": "float"}
	case reflect.Float64:
		return schema{"type": "number", "format": "double"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return integer(t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return natural(t.Bits())
	case reflect.Slice, reflect.Array:
		return s.ofSequence(t)
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.fields(t)
	}
	return schema{}
}

func integer(bits int) schema {
	if bits == 64 {
		return schema{"type": "integer", "format": "int64"}
	}
	return schema{"type": "integer", "format": "int32", "minimum": -(int64(1) << (bits - 1)), "maximum": int64(1)<<(bits-1) - 1}
}

func natural(bits int) schema {
	if bits == 64 {
		return schema{"type": "integer", "minimum": 0, "maximum": uint64(math.MaxUint64)}
	}
	return schema{"type": "integer", "minimum": 0, "maximum": uint64(1)<<bits - 1}
}

func (s *schemas) ofSequence(t reflect.Type) schema {
	if t.Elem().Kind() == reflect.Uint8 && t.Elem().PkgPath() == "" {
		return schema{"type": "string", "contentEncoding": "base64"}
	}
	items := schema{"type": "array", "items": s.of(t.Elem())}
	if t.Kind() == reflect.Array {
		items["minItems"], items["maxItems"] = t.Len(), t.Len()
	}
	return items
}

// nameFor is a name for a type that no other one has: without its package if possible.
func (s *schemas) nameFor(t reflect.Type) string {
	plain := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return '_'
	}, t.Name())
	name := plain
	for n := 2; s.defined[name] != nil; n++ {
		name = fmt.Sprintf("%s_%d", plain, n)
	}
	return name
}

func (s *schemas) fields(t reflect.Type) schema {
	properties := schema{}
	s.addFields(t, properties)
	return schema{"type": "object", "properties": properties, "additionalProperties": false}
}

// addFields adds the fields of a struct. Those of an embedded struct are added before, since one that is embedded less deep hides it.
func (s *schemas) addFields(t reflect.Type, to schema) {
	var own []reflect.StructField
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case f.Tag.Get("json") == "-":
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			s.addFields(inner, to)
		case f.IsExported():
			own = append(own, f)
		}
	}
	for _, f := range own {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" {
			name = f.Name
		}
		to[name] = s.of(f.Type)
	}
}
