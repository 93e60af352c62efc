package rules

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/concordat-dev/concordat/ycsb"
)

// TransferPrint is the fingerprint of a transfer: it tells requests with the same id but different contents apart.
func TransferPrint(t ycsb.Transfer) uint64 {
	var b [26]byte
	b[0] = byte(ycsb.Move)
	binary.LittleEndian.PutUint64(b[1:], uint64(t.From))
	binary.LittleEndian.PutUint64(b[9:], uint64(t.To))
	binary.LittleEndian.PutUint64(b[17:], uint64(t.Amount))
	if t.Refuse {
		b[25] = 1
	}
	return xxhash.Sum64(b[:])
}

// WritePrint is the fingerprint of a write to a row: of a field, or, with a field beyond the last, of all.
func WritePrint(kind ycsb.Kind, key, field int, values ...string) uint64 {
	b := make([]byte, 0, 17+len(values)*ycsb.FieldBytes)
	b = append(b, byte(kind))
	b = binary.LittleEndian.AppendUint64(b, uint64(key))
	b = binary.LittleEndian.AppendUint64(b, uint64(field))
	for _, value := range values {
		b = append(b, value...)
	}
	return xxhash.Sum64(b)
}

// PaymentPrint is the fingerprint of a payment.
func PaymentPrint(p ycsb.Payment) uint64 {
	b := make([]byte, 0, 18+8*ycsb.MaxParties)
	b = append(b, byte(ycsb.Move), 0)
	if p.Refuse {
		b[1] = 1
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(p.Amount))
	b = binary.LittleEndian.AppendUint64(b, uint64(p.From))
	for _, to := range p.To {
		b = binary.LittleEndian.AppendUint64(b, uint64(to))
	}
	return xxhash.Sum64(b)
}
