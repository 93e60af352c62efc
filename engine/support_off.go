//go:build notransactions

package engine

const looksAtLock = false
