package history

import (
	"slices"
	"testing"
)

var registerAnomalies = []struct {
	name  string
	text  string
	want  []Kind
	valid string
}{
	{
		name: "aborted read", want: []Kind{G1a},
		text: `p1 0-10 fail: w x 1
			p2 ok: r x 1`,
		valid: `p1 0-10 unknown: w x 1
			p2 ok: r x 1`,
	},
	{
		name: "intermediate read", want: []Kind{G1b},
		text: `p1 ok: w x 1, w x 2
			p2 ok: r x 1`,
		valid: `p1 ok: w x 1, w x 2
			p2 ok: r x 2`,
	},
	{
		name: "circular information flow", want: []Kind{G1c},
		text: `p1 ok: w x 1, r y 1
			p2 ok: w y 1, r x 1`,
		valid: `p1 ok: w x 1, r y nil
			p2 ok: w y 1, r x 1`,
	},
	{
		// Each replaced what the other had written: that it read it first tells the order of the versions.
		name: "write cycle", want: []Kind{G0},
		text: `p1 ok: r x nil, w x 1, r y 2, w y 1
			p2 ok: r y nil, w y 2, r x 1, w x 2`,
		valid: `p1 ok: r x nil, w x 1, r y nil, w y 1
			p2 ok: r y 1, w y 2, r x 1, w x 2`,
	},
	{
		name: "lost update", want: []Kind{LostUpdate},
		text: `p1 ok: r x 5, w x 1
			p2 ok: r x 5, w x 2
			p3 ok: w x 5`,
		valid: `p1 ok: r x 5, w x 1
			p2 ok: r x 1, w x 2
			p3 ok: w x 5`,
	},
	{
		name: "read skew", want: []Kind{GSingle},
		text: `p1 ok: r x nil, r y 1
			p2 ok: w x 1
			p3 ok: r x 1, w y 1`,
		valid: `p1 ok: r x nil, r y nil
			p2 ok: w x 1
			p3 ok: r x 1, w y 1`,
	},
	{
		name: "fractured read", want: []Kind{FracturedRead},
		text: `p1 ok: w x 1, w y 1
			p2 ok: r x 1, r y nil`,
		valid: `p1 ok: w x 1, w y 1
			p2 ok: r x 1, r y 1`,
	},
	{
		name: "write skew", want: []Kind{G2},
		text: `p1 ok: r x nil, w y 1
			p2 ok: r y nil, w x 1`,
		valid: `p1 ok: r x nil, w y 1
			p2 ok: r y 1, w x 1`,
	},
	{
		name: "stale read", want: []Kind{StaleRead},
		text: `p1 0-10 ok: w x 1
			p2 20-30 ok: w x 2
			p3 40-50 ok: r x 1`,
		valid: `p1 0-20 ok: w x 1
			p2 20-30 ok: w x 2
			p3 40-50 ok: r x 1`,
	},
	{
		name: "stale read of nothing", want: []Kind{StaleRead},
		text: `p1 0-10 ok: w x 1
			p3 40-50 ok: r x nil`,
		valid: `p1 0-10 unknown: w x 1
			p3 40-50 ok: r x nil`,
	},
	{
		name: "read of the future", want: []Kind{G1cRealTime},
		text: `p1 0-10 ok: r x 1
			p2 20-30 ok: w x 1`,
		valid: `p1 0-20 ok: r x 1
			p2 20-30 ok: w x 1`,
	},
	{
		name: "garbage read", want: []Kind{GarbageRead},
		text:  `p1 ok: r x 1`,
		valid: `p1 ok: r x nil`,
	},
	{
		name: "does not see its own write", want: []Kind{Internal},
		text:  `p1 ok: w x 1, r x nil`,
		valid: `p1 ok: w x 1, r x 1`,
	},
	{
		name: "sees its own write too early", want: []Kind{Internal},
		text:  `p1 ok: r x 1, w x 1`,
		valid: `p1 ok: r x nil, w x 1`,
	},
	{
		name: "sees two values", want: []Kind{Internal},
		text: `p1 ok: r x nil, r x 1
			p2 ok: w x 1`,
		valid: `p1 ok: r x 1, r x 1
			p2 ok: w x 1`,
	},
}

func TestRegisterAnomalies(t *testing.T) {
	for _, test := range registerAnomalies {
		t.Run(test.name, func(t *testing.T) {
			r := Check(script(t, NewHeader(Register), test.text))
			for _, want := range test.want {
				if !slices.Contains(kinds(r), want) {
					t.Errorf("%q is not found:\n%s", want, reportText(t, r))
				}
			}
			if r := Check(script(t, NewHeader(Register), test.valid)); !r.OK() {
				t.Errorf("the valid history beside it is not accepted:\n%s", reportText(t, r))
			}
		})
	}
}
