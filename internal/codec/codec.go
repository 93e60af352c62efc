// Package codec is the one encoding of all that lasts or travels: states, arguments, results, records and rows are CBOR (RFC 8949).
//
// It says nothing of whether a value comes back as it was: package internal/values does. The package is pure.
package codec

import (
	"bytes"

	"github.com/fxamacker/cbor/v2"
)

// CBOR, times with nanoseconds, map keys sorted so that
// equal values have equal bytes.
var (
	encMode = mustEnc(cbor.EncOptions{Sort: cbor.SortBytewiseLexical, Time: cbor.TimeRFC3339Nano, NaNConvert: cbor.NaNConvertNone})
	decMode = mustDec(cbor.DecOptions{
		MaxArrayElements: MaxElements, MaxMapPairs: MaxElements, MaxNestedLevels: MaxLevels, UTF8: cbor.UTF8DecodeInvalid,
		FieldNameMatching: cbor.FieldNameMatchingCaseSensitive, // a removed field is no other field whose name looks like it
	})
)

func mustEnc(o cbor.EncOptions) cbor.UserBufferEncMode {
	mode, err := o.UserBufferEncMode()
	if err != nil {
		panic("codec options: " + err.Error())
	}
	return mode
}

func mustDec(o cbor.DecOptions) cbor.DecMode {
	mode, err := o.DecMode()
	if err != nil {
		panic("codec options: " + err.Error())
	}
	return mode
}

// Encode encodes a value. Equal values give equal bytes. Its type must contain neither itself nor an interface, as is so of rows: else
// the value may contain itself, which would end the process; values.Encode refuses that.
func Encode(v any) ([]byte, error) { return encMode.Marshal(v) }

// EncodeTo is [Encode] into a buffer.
func EncodeTo(buffer *bytes.Buffer, v any) error { return encMode.MarshalToBuffer(v, buffer) }

// Decode decodes what [Encode] wrote into the value that v points to. Bytes left over are an error.
func Decode(data []byte, v any) error { return decMode.Unmarshal(data, v) }

// WellFormed returns an error if data is not one encoded value, or is over the limits.
func WellFormed(data []byte) error { return decMode.Wellformed(data) }

// Limits of values: what the decoder takes. A type that is over them is refused at engine.Open, a value by the operation that makes
// it.
const (
	// MaxLevels bounds how deep lists, maps and structs are nested in a value.
	MaxLevels = 64
	// MaxElements bounds the elements of an array, slice or map, and the parts of a value that have to be looked at; see values.Type.
	MaxElements = 1 << 24
)
