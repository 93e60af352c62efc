//go:build plant_journal_late

package plant

const active = "journal-late"
