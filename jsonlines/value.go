package jsonlines

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"

	"github.com/fxamacker/cbor/v2"

	"github.com/concordat-dev/concordat/internal/codec"
)

// jsonValue turns an encoded value into what encoding/json writes as described at Egress.
func jsonValue(data []byte) (any, error) {
	var value any
	if err := codec.Decode(data, &value); err != nil {
		return nil, err
	}
	return toJSON(value)
}

func toJSON(value any) (any, error) {
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return strconv.FormatFloat(v, 'g', -1, 64), nil
		}
	case big.Int:
		return &v, nil
	case cbor.ByteString:
		return []byte(v), nil
	case cbor.Tag:
		return toJSON(v.Content)
	case []any:
		for i := range v {
			var err error
			if v[i], err = toJSON(v[i]); err != nil {
				return nil, err
			}
		}
	case map[any]any:
		return toObject(v)
	}
	return value, nil
}

func toObject(m map[any]any) (map[string]any, error) {
	object := make(map[string]any, len(m))
	for key, value := range m {
		name, err := keyName(key)
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("two keys of a map are both %q in JSON", name)
		}
		if object[name], err = toJSON(value); err != nil {
			return nil, err
		}
	}
	return object, nil
}

// keyName is the name that a map's key has in an object.
func keyName(key any) (string, error) {
	switch k := key.(type) {
	case string:
		return k, nil
	case cbor.ByteString:
		return base64.StdEncoding.EncodeToString([]byte(k)), nil
	}
	value, err := toJSON(key)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(value)
	return string(bytes.Trim(text, `"`)), err
}
