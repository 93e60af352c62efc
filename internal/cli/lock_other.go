//go:build !unix

package cli

import "os"

// LockDir makes a directory, if there is none. There are no locks here.
func LockDir(path string) (unlock func() error, err error) {
	return func() error { return nil }, os.MkdirAll(path, 0o755)
}
