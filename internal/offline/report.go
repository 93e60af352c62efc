package offline

import "time"

// Report is what is in a directory. Lists are sorted by name or id.
type Report struct {
	Dir    string `json:"dir"`
	Format int    `json:"format"` // version of the rows
	ID     string `json:"id"`     // of the log: a backup has that of the engine that it was made of; "" of a directory that has no log yet
	Shards int    `json:"shards"`
	Epochs uint64 `json:"epochs"` // that were sealed
	Sealed string `json:"sealed"` // when the last one was, by the wall clock; "" if none was

	Log   Log   `json:"log"`
	Table Table `json:"table"`

	Rows      []Count `json:"rows"`      // by kind
	Instances []Count `json:"instances"` // by function type

	Timers    Timers    `json:"timers"` // that instances have set
	Runs      []Runs    `json:"runs"`   // unfinished, by coordinator function
	Stuck     Stuck     `json:"stuck"`
	Parked    int64     `json:"parked"` // messages and runs that no process survived, or may not; see "concordat parked"
	Egresses  []Egress  `json:"egresses"`
	Ingresses []Ingress `json:"ingresses"`
}

// Log is what the log consists of.
type Log struct {
	Segments int    `json:"segments"`
	Bytes    int64  `json:"bytes"`
	First    uint64 `json:"first"` // entry; 0 if there is none
	Last     uint64 `json:"last"`
	Behind   uint64 `json:"behind"` // entries that the table does not have yet
}

// Table is what the table consists of.
type Table struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

// Count counts rows. Bytes are those of keys and values.
type Count struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Timers are those of instances.
type Timers struct {
	Count    int64  `json:"count"`
	Earliest string `json:"earliest,omitempty"` // when the first is due
}

// Runs are the unfinished runs of a coordinator function.
type Runs struct {
	Function string `json:"function"`
	Runs     int64  `json:"runs"`
	Journals int64  `json:"journals"` // of these, sagas that have one
	Undoing  int64  `json:"undoing"`  // of these, being undone
	Stuck    int64  `json:"stuck"`    // of these, stuck
	Oldest   uint64 `json:"oldest"`   // the smallest id: it began first
}

// Stuck are sagas that are stuck.
type Stuck struct {
	Count int64  `json:"count"`
	Sagas []Saga `json:"sagas"` // at most MaxStuck, those that began first of each shard
}

// MaxStuck is how many stuck sagas a report lists.
const MaxStuck = 1000

// Saga is a saga that is stuck.
type Saga struct {
	ID        uint64 `json:"id"`
	Function  string `json:"function"`
	RequestID string `json:"request_id,omitempty"`
	Failure   string `json:"failure"`
}

// Egress is what waits for the receiver of an egress.
type Egress struct {
	Name    string `json:"name"`
	Last    uint64 `json:"last"`    // the number of the last record that was emitted
	Waiting int64  `json:"waiting"` // records that the receiver is not known to have
	Parked  int64  `json:"parked"`  // records that it cannot take
}

// Ingress is how far an ingress was read, or a partition of one.
type Ingress struct {
	Name      string `json:"name"`
	Partition string `json:"partition,omitempty"`
	Position  uint64 `json:"position"`
}

// wallTime is a time as reports have it.
func wallTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
