//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package jsonlines

import "os"

func lockFile(*os.File) (free bool) { return true }

const openNow = 0
