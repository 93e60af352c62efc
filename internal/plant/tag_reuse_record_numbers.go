//go:build plant_reuse_record_numbers

package plant

const active = "reuse-record-numbers"
