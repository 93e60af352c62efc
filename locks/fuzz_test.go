package locks

import "testing"

// FuzzParsePolicy: what is read as a policy is written as it was read, and all else changes nothing.
func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{"detect", "wait-die", "wound-wait", "no-wait", "", "Detect", "policy(7)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePolicy(s)
		if err == nil && p.String() != s {
			t.Fatalf("%q is read as %v", s, p)
		}
		q := NoWait
		if textErr := q.UnmarshalText([]byte(s)); (textErr == nil) != (err == nil) || (err == nil && q != p) || (err != nil && q != NoWait) {
			t.Fatalf("%q is read as %v (%v) and as %v (%v)", s, p, err, q, textErr)
		}
	})
}
