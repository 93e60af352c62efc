package codec_test

import (
	"testing"

	"github.com/concordat-dev/concordat/internal/codec"
)

func TestDecodeWantsAllBytes(t *testing.T) {
	var n int
	if err := codec.Decode([]byte{1, 1}, &n); err == nil {
		t.Error("bytes are left over, no error")
	}
	if err := codec.Decode(nil, &n); err == nil {
		t.Error("no bytes, no error")
	}
}

// A field that was removed is skipped, also if there is one whose name differs from it only in upper and lower case.
func TestFieldNamesAreCaseSensitive(t *testing.T) {
	type before struct {
		Old     int `cbor:"BALANCE"`
		Balance int
		Total   int `cbor:"total"`
	}
	type after struct {
		Balance int
		Total   []string
	}
	data, err := codec.Encode(before{Old: 5, Balance: 100, Total: 7})
	if err != nil {
		t.Fatal(err)
	}
	var got after
	if err := codec.Decode(data, &got); err != nil || got.Balance != 100 || got.Total != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}
