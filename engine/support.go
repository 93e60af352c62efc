//go:build !notransactions

package engine

// looksAtLock: plain calls look at the lock of their instance. Programs are built with it. The build tag notransactions leaves
// the look out, to measure what it costs those who use no transactions: see docs/performance.md.
const looksAtLock = true
