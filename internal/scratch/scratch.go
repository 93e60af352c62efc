// Package scratch makes temporary directories in which a sync costs what it costs: on a disk.
package scratch

import "os"

// Dir makes a temporary directory on a disk: in the usual place, or in the current directory if that is in memory, where a sync
// costs nothing. Its name begins with the prefix. Whoever asked for it removes it.
func Dir(prefix string) (string, error) {
	parent := os.TempDir()
	if inMemory(parent) {
		parent = "."
	}
	return os.MkdirTemp(parent, prefix)
}
