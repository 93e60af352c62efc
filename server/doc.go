// Package server makes an engine reachable from other processes and languages: by gRPC, gRPC-web, Connect and plain HTTP with JSON, on one
// port.
//
// A [Server] is started beside an engine with one call ([Start], or [Serve] for a program that does nothing else). It has a catalogue of
// the engine's functions, made from their Go types: arguments and results travel as JSON or CBOR and are checked against these types. A
// pipeline is a stream on which a client has many requests under way. A fault is an error as clients see it, with a stable code. Who asks
// has a [Role], by a token or a client certificate; see [Credentials].
//
// Without further options a server listens on the loopback interface only, where it asks for no credentials. docs/server.md and
// docs/security.md describe what clients see. Start reading at server.go, and then pipeline.go.
package server
