// Package jsonlines connects an engine to files of lines, and to pipes and devices: an [Egress] appends each record to a file as one line of
// JSON, exactly once, and an [Ingress] makes a message of each line that is appended to a file, exactly once.
//
// egress.go is the way out: moved.go has what it does when its file is moved away or replaced, tail.go how it finds out what a file has, and
// value.go how a value is written as JSON. ingress.go is the way in, and seen.go how a file is known again. stream.go and pipe.go have what
// is no regular file, and target.go who of this process uses what.
package jsonlines
