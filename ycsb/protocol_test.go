package ycsb

import "testing"

func TestProtocolNames(t *testing.T) {
	for p, want := range map[Protocol]string{Saga: "saga", Serializable: "serializable", 9: "Protocol(9)"} {
		if p.String() != want {
			t.Errorf("%v, want %s", p, want)
		}
	}
}
