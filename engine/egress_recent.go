package engine

import "sync"

// recent is records of an egress that were sealed lately and are not delivered yet, without gaps between them. A receiver that keeps up gets
// them from here: to read their rows, all that was sealed with them has to be put in order first, on the way of every answer. A receiver that is behind,
// or has refused something, gets the rows, until it has caught up.
type recent struct {
	mu      sync.Mutex // held while the records of an epoch are added: between them there are gaps
	first   uint64     // the number of the first one
	records []Record
	gone    int // how many at the front of records are not there any more
	bytes   int
	off     bool // nothing is added in this epoch
}

const (
	// maxRecent bounds the records that an egress has in memory, and how far its receiver may be behind for any to be there.
	maxRecent = 8 * MaxDelivery
	// maxRecentBytes bounds what they are together: all of them may go into one Write.
	maxRecentBytes = maxDeliveryBytes
)

// begin begins to add the records of an epoch, of which the first is given. It locks until end.
func (r *recent) begin(first, delivered uint64) {
	r.mu.Lock()
	if r.off = first-1-min(delivered, first-1) > maxRecent; r.off {
		r.drop()
	}
	if len(r.records) == 0 {
		r.first = first
	}
}

// add adds a record of the epoch. Several workers' do not come in order.
func (r *recent) add(seq uint64, key string, value []byte) {
	if r.off {
		return
	}
	at := int(seq-r.first) + r.gone
	if at >= maxRecent+r.gone || r.bytes+len(key)+len(value) > maxRecentBytes {
		r.drop()
		r.off = true
		return
	}
	for len(r.records) <= at {
		r.records = append(r.records, Record{})
	}
	r.records[at] = Record{Seq: seq, Key: key, Value: value}
	r.bytes += len(key) + len(value)
}

// end ends what begin began.
func (r *recent) end() { r.mu.Unlock() }

// take takes the records from one number to another, at most MaxDelivery; none if the first is not there. Their values are copies,
// since an operation may emit one value several times, and a receiver may change what it gets.
func (r *recent) take(from, to uint64) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from < r.first || from-r.first >= uint64(len(r.records)-r.gone) {
		return nil
	}
	r.forget(int(from - r.first))
	n := min(len(r.records)-r.gone, MaxDelivery, int(to-from+1))
	taken, values := append([]Record(nil), r.records[r.gone:r.gone+n]...), []byte(nil)
	for i := range taken {
		values = append(values, taken[i].Value...)
	}
	for i := range taken {
		size := len(taken[i].Value)
		taken[i].Value, values = values[:size:size], values[size:]
	}
	r.forget(n)
	return taken
}

func (r *Record) bytes() int { return len(r.Key) + len(r.Value) }

// forget removes records from the front.
func (r *recent) forget(n int) {
	front := r.records[r.gone : r.gone+n]
	for i := range front {
		r.bytes -= front[i].bytes()
	}
	clear(front)
	r.first += uint64(n)
	switch r.gone += n; {
	case r.gone == len(r.records):
		r.records, r.gone = keepSmall(r.records), 0
	case r.gone > maxRecent:
		left := copy(r.records, r.records[r.gone:])
		clear(r.records[left:])
		r.records, r.gone = r.records[:left], 0
	}
}

// clear removes all records: what is delivered next is read from the rows.
func (r *recent) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
}

func (r *recent) drop() { r.records, r.gone, r.bytes = nil, 0, 0 }
