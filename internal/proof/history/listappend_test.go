package history

import (
	"slices"
	"testing"
)

// anomalies of list-append histories, each with a valid history right beside it. Where the example is from a source it says so.
var listAnomalies = []struct {
	name  string
	text  string
	want  []Kind
	valid string // what little must be different
}{
	{
		// Adya 1999, 3.1, H_wcycle: w1(x1) w2(x2) w2(y2) w1(y1), with x1 << x2 and y2 << y1.
		name: "write cycle", want: []Kind{G0},
		text: `p1 ok: a x 1, a y 1
			p2 ok: a x 2, a y 2
			p3 100-200 ok: r x [1 2], r y [2 1]`,
		valid: `p1 ok: a x 1, a y 1
			p2 ok: a x 2, a y 2
			p3 100-200 ok: r x [1 2], r y [1 2]`,
	},
	{
		// Adya, 3.2, H_1a: w1(x1) r2(x1) a1.
		name: "aborted read", want: []Kind{G1a},
		text: `p1 0-10 fail: a x 1
			p2 5-20 ok: r x [1]`,
		valid: `p1 0-10 unknown: a x 1
			p2 5-20 ok: r x [1]`,
	},
	{
		// Adya, 3.2, H_1b: w1(x1.1) r2(x1.1) w1(x1.2).
		name: "intermediate read", want: []Kind{G1b, GSingle},
		text: `p1 ok: a x 1, a x 2
			p2 ok: r x [1]
			p3 ok: r x [1 2]`,
		valid: `p1 ok: a x 1, a x 2
			p2 ok: r x []
			p3 ok: r x [1 2]`,
	},
	{
		// Adya, 3.2, H_1c: w1(x1) w2(y2) r1(y2) r2(x1).
		name: "circular information flow", want: []Kind{G1c},
		text: `p1 ok: a x 1, r y [1]
			p2 ok: a y 1, r x [1]`,
		valid: `p1 ok: a x 1, r y [1]
			p2 ok: a y 1, r x []`,
	},
	{
		// Adya, 4.2: T1 reads x before T2's write and y after T3's, which is based on T2's.
		name: "read skew", want: []Kind{GSingle},
		text: `p1 ok: r x [], r y [1]
			p2 ok: a x 1
			p3 ok: r x [1], a y 1`,
		valid: `p1 ok: r x [], r y []
			p2 ok: a x 1
			p3 ok: r x [1], a y 1`,
	},
	{
		// P4 of Berenson et al. 1995: r1(x) r2(x) w2(x) w1(x).
		name: "lost update", want: []Kind{LostUpdate},
		text: `p1 ok: r x [], a x 1
			p2 ok: r x [], a x 2
			p3 100-200 ok: r x [1 2]`,
		valid: `p1 ok: r x [], a x 1
			p2 ok: r x [1], a x 2
			p3 100-200 ok: r x [1 2]`,
	},
	{
		name: "lost update that nobody read", want: []Kind{LostUpdate},
		text: `p1 ok: r x [], a x 1
			p2 ok: r x [], a x 2`,
		valid: `p1 ok: r x [], a x 1
			p2 unknown: a x 2`,
	},
	{
		// Bailis et al. 2014: T2 sees T1's x and not its y.
		name: "fractured read", want: []Kind{FracturedRead},
		text: `p1 ok: a x 1, a y 1
			p2 ok: r x [1], r y []
			p3 100-200 ok: r y [1]`,
		valid: `p1 ok: a x 1, a y 1
			p2 ok: r x [1], r y [1]
			p3 100-200 ok: r y [1]`,
	},
	{
		// Adya, 3.3.4: r1(x0) r1(y0) r2(x0) r2(y0) w1(x1) w2(y2).
		name: "write skew", want: []Kind{G2},
		text: `p1 ok: r x [], r y [], a x 1
			p2 ok: r x [], r y [], a y 1`,
		valid: `p1 ok: r x [], r y [], a x 1
			p2 ok: r x [1], r y [], a y 1`,
	},
	{
		// The long fork of parallel snapshot isolation, as in Elle's examples.
		name: "long fork", want: []Kind{G2},
		text: `p1 ok: a x 1
			p2 ok: a y 1
			p3 ok: r x [1], r y []
			p4 ok: r x [], r y [1]`,
		valid: `p1 ok: a x 1
			p2 ok: a y 1
			p3 ok: r x [1], r y []
			p4 ok: r x [1], r y [1]`,
	},
	{
		name: "stale read", want: []Kind{StaleRead},
		text: `p1 0-10 ok: a x 1
			p2 11-20 ok: r x []`,
		valid: `p1 0-10 ok: a x 1
			p2 10-20 ok: r x []`,
	},
	{
		name: "stale read by one process in one nanosecond", want: []Kind{StaleRead},
		text: `p1 0-10 ok: a x 1
			p1 10-20 ok: r x []`,
		valid: `p1 0-10 unknown: a x 1
			p1 10-20 ok: r x []`,
	},
	{
		name: "stale read around a failure in one nanosecond", want: []Kind{StaleRead},
		text: `p1 0-10 ok: a x 1
			p1 10-10 fail: a x 2
			p1 10-20 ok: r x []`,
		valid: `p1 0-10 ok: a x 1
			p1 10-10 fail: a x 2
			p1 10-20 ok: r x [1]`,
	},
	{
		name: "writes against real time", want: []Kind{G0RealTime},
		text: `p1 0-10 ok: a x 1
			p2 20-30 ok: a x 2
			p3 40-50 ok: r x [2 1]`,
		valid: `p1 0-20 ok: a x 1
			p2 20-30 ok: a x 2
			p3 40-50 ok: r x [2 1]`,
	},
	{
		name: "read of the future", want: []Kind{G1cRealTime},
		text: `p1 0-10 ok: r x [1]
			p2 20-30 ok: a x 1`,
		valid: `p1 0-20 ok: r x [1]
			p2 20-30 ok: a x 1`,
	},
	{
		name: "write skew over time", want: []Kind{G2RealTime},
		text: `p1 0-10 ok: a y 1
			p2 0-100 ok: a x 1, r y []
			p3 50-60 ok: r x []`,
		valid: `p1 0-50 ok: a y 1
			p2 0-100 ok: a x 1, r y []
			p3 50-60 ok: r x []`,
	},
	{
		// Elle, 4.1.5: T2 appends to what the failed T1 had appended.
		name: "dirty update", want: []Kind{G1a, DirtyUpdate},
		text: `p1 0-10 fail: a x 1
			p2 ok: a x 2
			p3 ok: r x [1 2]`,
		valid: `p1 0-10 fail: a x 1
			p2 ok: a x 2
			p3 ok: r x [2]`,
	},
	{
		name: "garbage read", want: []Kind{GarbageRead},
		text: `p1 ok: a x 1
			p2 ok: r x [1 7]`,
		valid: `p1 ok: a x 1
			p2 ok: r x [1]`,
	},
	{
		name: "duplicate append", want: []Kind{DuplicateAppend},
		text: `p1 ok: a x 1
			p2 ok: r x [1 1]`,
		valid: `p1 ok: a x 1
			p2 ok: r x [1]`,
	},
	{
		name: "duplicate append below another", want: []Kind{DuplicateAppend},
		text: `p1 ok: a x 1
			p2 ok: a x 2
			p3 ok: r x [1 2]
			p4 ok: r x [1 1]`,
		valid: `p1 ok: a x 1
			p2 ok: a x 2
			p3 ok: r x [1 2]
			p4 ok: r x [1]`,
	},
	{
		name: "incompatible order", want: []Kind{IncompatibleOrder},
		text: `p1 ok: a x 1
			p2 ok: a x 2
			p3 ok: r x [1 2]
			p4 ok: r x [2]`,
		valid: `p1 ok: a x 1
			p2 ok: a x 2
			p3 ok: r x [1 2]
			p4 ok: r x [1]`,
	},
	{
		name: "does not see its own append", want: []Kind{Internal},
		text:  `p1 ok: a x 1, r x []`,
		valid: `p1 ok: a x 1, r x [1]`,
	},
	{
		name: "sees its own append too early", want: []Kind{Internal},
		text:  `p1 ok: r x [1], a x 1`,
		valid: `p1 ok: r x [], a x 1`,
	},
	{
		name: "own appends in the wrong order", want: []Kind{Internal},
		text:  `p1 ok: a x 1, a x 2, r x [2 1]`,
		valid: `p1 ok: a x 1, a x 2, r x [1 2]`,
	},
	{
		name: "sees two states", want: []Kind{Internal},
		text: `p1 ok: r x [], r x [1]
			p2 ok: a x 1`,
		valid: `p1 ok: r x [1], r x [1]
			p2 ok: a x 1`,
	},
	{
		name: "another's append between own ones", want: []Kind{G0, G1b},
		text: `p1 ok: a x 1, a x 2
			p2 ok: a x 3, r x [1 3]
			p3 100-200 ok: r x [1 3 2]`,
		valid: `p1 ok: a x 1, a x 2
			p2 ok: a x 3, r x [1 2 3]
			p3 100-200 ok: r x [1 2 3]`,
	},
	{
		name: "an unknown write that was seen binds its other writes", want: []Kind{FracturedRead},
		text: `p1 0-10 unknown: a x 1, a y 1
			p2 50-60 ok: r x [1], r y []`,
		valid: `p1 0-10 unknown: a x 1, a y 1
			p2 50-60 ok: r x [], r y []
			p3 50-70 ok: r x [1], r y [1]`,
	},
}

func TestListAppendAnomalies(t *testing.T) {
	for _, test := range listAnomalies {
		t.Run(test.name, func(t *testing.T) {
			r := Check(script(t, NewHeader(ListAppend), test.text))
			for _, want := range test.want {
				if !slices.Contains(kinds(r), want) {
					t.Errorf("%q is not found:\n%s", want, reportText(t, r))
				}
			}
			if r := Check(script(t, NewHeader(ListAppend), test.valid)); !r.OK() {
				t.Errorf("the valid history beside it is not accepted:\n%s", reportText(t, r))
			}
		})
	}
}
