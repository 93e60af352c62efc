//go:build notransactions

package engine

const transactions = false
