package engine

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/concordat-dev/concordat/functions"
	"github.com/concordat-dev/concordat/internal/format"
)

// identity tells requests with one id apart. It is kept with the outcome of the first.
//
// A request is the one that its id was first used for if function and instance are the same. If its argument differs it is another
// one, unless the type of the argument has another shape: then the program has changed between the two (an argument has gained a
// field, say), and a client that asks again for what it asked before cannot help it.
//
// It is small, because each outcome's row has it: a hash of target (the function, and the instance of a call) and encoded argument
// together; and a tag, which has the upper bits of the target's hash and the shape of the argument's type in its own lower ones.
type identity struct {
	fingerprint uint64
	tag         uint64
}

const (
	shapeBits = 24
	noShape   = 1 // there is no argument; 0: the shape is not known
	shapeMask = 1<<shapeBits - 1
)

// newIdentity makes an identity of hashes and the shape of the argument's type, see functions.ShapeOf.
func newIdentity(target, arg, shape uint64) identity {
	return identity{format.Mix(target) ^ arg, target&^shapeMask | shape&shapeMask}
}

func (i identity) shape() uint32 { return uint32(i.tag & shapeMask) }

// withShape is the identity of a request from another opening, whose argument may have had another shape.
func (i identity) withShape(shape uint32) identity {
	i.tag = i.tag&^shapeMask | uint64(shape)&shapeMask
	return i
}

// likeness is what a request is to the first one with its id.
type likeness uint8

const (
	isSame     likeness = iota
	isChanged           // the same, asked by another version of the program
	isOther             // for another function or instance
	isOtherArg          // with another argument
)

// identify makes the identity of a request. It depends on names and bytes only, so that it can be stored.
func identify(env *functions.Envelope, to destination) identity {
	var target, shape uint64
	if env.Op != nil {
		target, shape = targetOf(env.Op.Type.Name, env.Op.Name, env.ID), env.Op.Shape
	} else {
		target, shape = to.function.target, to.function.Shape
	}
	return newIdentity(target, xxhash.Sum64(env.Encoded()), max(shape&shapeMask, noShape))
}

// targetOf is the hash of what names a target. Each part goes in with its length, so that no two lists of parts run together to the same.
func targetOf(parts ...string) uint64 {
	var d xxhash.Digest
	d.Reset()
	for _, part := range parts {
		var length [4]byte
		binary.BigEndian.PutUint32(length[:], uint32(len(part)))
		_, _ = d.Write(length[:]) // a hash never fails
		_, _ = d.WriteString(part)
	}
	return d.Sum64()
}

// like compares a request with the first one that had its id. If the shape of that one's argument is not known (the row is of an older
// program), another argument makes it another request: to answer with the outcome of one that it is not would lose it.
func (i identity) like(first identity) likeness {
	switch {
	case i.fingerprint == first.fingerprint:
		return isSame
	case i.tag&^shapeMask != first.tag&^shapeMask:
		return isOther
	case i.shape() != first.shape() && first.shape() != 0:
		return isChanged
	}
	return isOtherArg
}

// refuses reports whether a request is not the one that its id was first used for, and settles it then. That the program has changed
// in between is reported, once for each function.
func (w *worker) refuses(q *request, like likeness) bool {
	if like == isSame {
		return false
	}
	target := q.env.Target()
	if like == isChanged {
		w.engine.stats.changed.Add(1)
		if _, told := w.engine.toldChanged.LoadOrStore(functionOf(&q.env), true); !told {
			w.engine.options.Logger.Warn("a request is repeated with an argument of another shape, and gets the outcome of the first",
				"function", functionOf(&q.env), "request", q.env.RequestID)
		}
		return false
	}
	was := "another function or instance"
	if like == isOtherArg {
		was = "another argument"
	}
	q.err = fmt.Errorf("%w: %q was used with %s; this request, for %s, was not run", ErrReusedID, q.env.RequestID, was, target)
	w.engine.finish(q)
	return true
}

// functionOf names the function that a request is for.
func functionOf(env *functions.Envelope) string {
	if env.Op != nil {
		return env.Op.FullName()
	}
	return env.Coordinator
}

// oldFingerprint is how older programs told requests with one id apart: their rows have it in the place of the target. With another
// argument it is another one: nobody can tell what has changed.
func oldFingerprint(env *functions.Envelope) uint64 {
	var d xxhash.Digest
	d.Reset()
	if env.Op != nil {
		_, _ = d.WriteString(env.Op.Type.Name + "\x00" + env.Op.Name)
	} else {
		_, _ = d.WriteString(env.Coordinator)
	}
	_, _ = d.WriteString("\x00" + env.ID + "\x00")
	_, _ = d.Write(env.Encoded())
	return d.Sum64()
}
