package main

import "testing"

// TestGenerated: the code of the schema is what the generators that go.mod pins make of it.
func TestGenerated(t *testing.T) {
	t.Chdir("../..")
	if err := run(true); err != nil {
		t.Error(err)
	}
}
