// Package client uses an engine in another process, through a server (package server), as if it were in this one.
//
// A [Client] has the Do of an engine, and [Ask], or engine.Ask, asks it questions; both are an engine.Doer. So a program moves from an
// embedded engine to a remote one by opening a client with the same parts. Requests of many goroutines share one stream: they are sent
// together, and answers come in the order in which they are there. A request with an id, or one that changes nothing, is sent again
// when a connection is lost; of any other one the outcome is unknown then, as it is of one whose context ends.
//
// When it connects the client compares the functions of its parts with the server's. Those that are not there, or take or return values
// that are encoded in another way, are an error that names them ([ErrDiffers]).
package client
