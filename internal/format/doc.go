// Package format is everything that is ever written to disk: keys, values and versions. It is pure. TestBytes pins every byte of it.
//
// A directory is a store of rows. Every row of a shard begins with the shard's number (two bytes, big-endian) and the row's kind, so
// that a shard can be moved as one range. Rows of the whole node are under the last shard number, which no shard has. Numbers in keys
// are big-endian, so that rows sort by them.
//
//	key                           value
//	shard 'i' type 0 id           state of an instance: CBOR of the user's type
//	shard 'o' request id          [Outcome] of a request, up to format version 4
//	shard 't' due seq             [Timer]
//	shard 'm' seq                 [Carried]: a message that was not handled when its epoch was cut
//	shard 'c' id                  [Run]: a coordinator function that goes on beyond an epoch, with its input
//	shard 'j' id                  [JournalHead] of a saga
//	shard 'j' id entry            [JournalEntry]: a step of a saga
//	shard 'j' id ffffffff n       [JournalEffects]: effects of a saga's outcome
//	shard 's' kind rest           [Starts]: how often something unfinished was started, whose row is: shard kind rest
//	fffe  'o' time shard request  [Outcome] of a [Request]; the time is when its bucket began, see the buckets of package engine
//	node  's'                     [Trial]: what was being handled when the process died
//	node  'w'                     [Watermark]: sealed epochs and counters
//	node  'f'                     [Format] of the directory
//	node  'e' egress 0 seq        [Record] for an egress
//	node  'q' egress 0 seq        [Parked]: a record that an egress cannot take
//	node  'p' ingress             position of an ingress: CBOR of an unsigned integer
//	node  'p' source 0 partition  [Position] of a partition of a source
//	node  'l'                     of the log: its id, and the number of the last entry that the table has; 8 bytes each
//
// Where a row is, shards.go says: it depends on names and the number of shards only. Values are CBOR (RFC 8949) with small integers
// for the names of fields, so that a field is known by its number forever; outcomes, of which there are the most, are flat. A value
// may gain fields, which older programs ignore; where one would misread them, [Version] is raised. Messages in values are
// format.Message, failures what failures.Encode makes.
//
// Rows are in a table and, the latest ones, in a log: packages table and log say how. Beside Pebble's files internal/store keeps a note for
// each manifest, and in directories that began with a version below 5 there is a file MARK. A directory with the file BACKUP-UNFINISHED is
// being made as a backup, or was never finished; directories pin-N are what a backup is made of, and go with it.
package format
