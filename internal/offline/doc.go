// Package offline tells what is in a directory of an engine's data that no engine has open, and whether it is damaged. Nothing in the
// directory is changed, so it may be read-only, and none of the program's functions is needed. What is in the log and not in the table yet
// is shown as if it were.
//
// [Inspect] makes a [Report]; [Verify] reads every entry of the log, every block of the table's files and every row, and goes on behind
// damage. Both go over all rows, in the order of their keys; a tally says of each what it is and whether it can be.
package offline
