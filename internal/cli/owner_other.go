//go:build !unix

package cli

import "io/fs"

// giveTo does nothing.
func giveTo(string, fs.FileInfo) {}
