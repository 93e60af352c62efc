package server

import (
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/codec"
)

// How values of users' Go types are read and written.
//
// JSON is mapped as encoding/json maps it (names of fields, embedded structs, bytes as base64, times as RFC 3339), and read strictly: names
// are case-sensitive, one that the type does not have, or that comes twice, is an error. A time.Duration is text like "1m30s". CBOR is
// what values.Encode writes, and read as strictly.

var (
	readJSON = json.JoinOptions(json.RejectUnknownMembers(true), json.WithUnmarshalers(json.UnmarshalFunc(readDuration)))
	// A text that is no UTF-8 can be stored, and is shown with U+FFFD in the place of what is wrong.
	writeJSON = json.JoinOptions(json.Deterministic(true), jsontext.AllowInvalidUTF8(true), json.WithMarshalers(json.MarshalFunc(writeDuration)))
	readCBOR  = mustDec(cbor.DecOptions{
		MaxArrayElements: codec.MaxElements, MaxMapPairs: codec.MaxElements, MaxNestedLevels: codec.MaxLevels,
		UTF8: cbor.UTF8DecodeInvalid, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive, DupMapKey: cbor.DupMapKeyEnforcedAPF,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField,
	})
)

func mustDec(o cbor.DecOptions) cbor.DecMode {
	mode, err := o.DecMode()
	if err != nil {
		panic("server: codec options: " + err.Error())
	}
	return mode
}

func readDuration(text []byte, d *time.Duration) (err error) {
	var s string
	if err = json.Unmarshal(text, &s); err == nil {
		*d, err = time.ParseDuration(s)
	}
	return err
}

func writeDuration(d time.Duration) ([]byte, error) { return json.Marshal(d.String()) }

// fromJSON reads a value of a type. An error is a fault that names the field.
func fromJSON(t reflect.Type, data []byte) (value any, err error) {
	if isDeep(data) {
		return nil, faultf(codeInvalid, "the JSON is nested deeper than %d levels", codec.MaxLevels)
	}
	return guarded(func() (any, error) {
		v := reflect.New(t)
		if err := json.Unmarshal(data, v.Interface(), readJSON); err != nil {
			return nil, jsonFault(err)
		}
		return v.Elem().Interface(), nil
	})
}

// isDeep reports whether a JSON text is nested deeper than a value may be. It takes any bytes.
func isDeep(text []byte) bool {
	level, inText := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '[' || c == '{':
			if level++; level > codec.MaxLevels {
				return true
			}
		case c == ']' || c == '}':
			level--
		}
	}
	return false
}

// jsonFault says what is wrong with a JSON text, and where.
func jsonFault(err error) *fault {
	var semantic *json.SemanticError
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.As(err, &semantic):
		f := &fault{code: codeInvalid, field: shortened(string(semantic.JSONPointer), maxField)}
		switch {
		case errors.Is(err, json.ErrUnknownName):
			f.text = fmt.Sprintf("field %s: there is no such field", f.field)
		case semantic.Err != nil:
			f.text = fmt.Sprintf("field %s: a JSON %v is no %v: %v", orWhole(f.field), semantic.JSONKind, semantic.GoType, semantic.Err)
		default:
			f.text = fmt.Sprintf("field %s: a JSON %v is no %v", orWhole(f.field), semantic.JSONKind, semantic.GoType)
		}
		return f
	case errors.As(err, &syntactic):
		return &fault{
			code: codeInvalid, field: shortened(string(syntactic.JSONPointer), maxField),
			text: fmt.Sprintf("the JSON is malformed at byte %d, field %s: %v", syntactic.ByteOffset, orWhole(shortened(string(syntactic.JSONPointer), maxField)), syntactic.Err),
		}
	}
	return faultf(codeInvalid, "the JSON is malformed: %v", err)
}

// orWhole names a field for people; "" is the value as a whole.
func orWhole(field string) string {
	if field == "" {
		return "(the whole value)"
	}
	return field
}

// fromCBOR reads a value of a type. An error is a fault.
func fromCBOR(t reflect.Type, data []byte) (value any, err error) {
	return guarded(func() (any, error) {
		v := reflect.New(t)
		if err := readCBOR.Unmarshal(data, v.Interface()); err != nil {
			f := faultf(codeInvalid, "the CBOR does not decode: %v", err)
			var mismatch *cbor.UnmarshalTypeError
			if errors.As(err, &mismatch) && mismatch.StructFieldName != "" {
				f.field = "/" + mismatch.StructFieldName
			}
			return nil, f
		}
		return v.Elem().Interface(), nil
	})
}

// toJSON writes the JSON of a value of a type that was stored as CBOR.
func toJSON(t reflect.Type, stored []byte) (text []byte, err error) {
	written, err := guarded(func() (any, error) {
		v := reflect.New(t)
		if err := functions.Decode(stored, v.Interface()); err != nil {
			return nil, err
		}
		return marshal(v.Interface())
	})
	if err != nil {
		return nil, err
	}
	return written.([]byte), nil
}

// marshal writes a value as JSON. Some have none, such as a NaN.
func marshal(value any) (text []byte, err error) {
	written, err := guarded(func() (any, error) { return json.Marshal(value, writeJSON) })
	if err != nil {
		return nil, err
	}
	return written.([]byte), nil
}

// guarded runs f, where methods of users' types may run and panic.
func guarded(f func() (any, error)) (value any, err error) {
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, faultf(codeInvalid, "a method of the value's type panicked: %v", p)
		}
	}()
	return f()
}
