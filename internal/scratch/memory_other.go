//go:build !linux

package scratch

// inMemory reports whether the path is on a file system that keeps its files in memory. It is not known here.
func inMemory(string) bool { return false }
