package registry

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/concordat-dev/concordat/internal/format"
	"github.com/concordat-dev/concordat/internal/machine/instances"
)

// Identity tells requests with one id apart. It is kept with the outcome of the first.
//
// A request is the one that its id was first used for if function and instance are the same. If its argument differs it is another
// one, unless the type of the argument has another shape: then the program has changed between the two (an argument has gained a
// field, say), and a client that asks again for what it asked before cannot help it.
//
// It is small, because each outcome's row has it: a hash of target (the function, and the instance of a call) and encoded argument
// together; and a tag, which has the upper bits of the target's hash and the shape of the argument's type in its own lower ones.
type Identity struct {
	Fingerprint uint64
	Tag         uint64
}

const (
	shapeBits = 24
	noShape   = 1 // there is no argument; 0: the shape is not known
	shapeMask = 1<<shapeBits - 1
)

// NewIdentity makes an identity of hashes and the shape of the argument's type, see values.ShapeOf.
func NewIdentity(target, arg, shape uint64) Identity {
	return Identity{format.Mix(target) ^ arg, target&^shapeMask | shape&shapeMask}
}

func (i Identity) Shape() uint32 { return uint32(i.Tag & shapeMask) }

// WithShape is the identity of a request from another opening, whose argument may have had another shape.
func (i Identity) WithShape(shape uint32) Identity {
	i.Tag = i.Tag&^shapeMask | uint64(shape)&shapeMask
	return i
}

// Likeness is what a request is to the first one with its id.
type Likeness uint8

const (
	IsSame     Likeness = iota
	IsChanged           // the same, asked by another version of the program
	IsOther             // for another operation, or for what it has nothing to do with
	IsOtherArg          // with another argument
)

// Identify makes the identity of a request. It depends on names and bytes only, so that it can be stored.
func Identify(env *instances.Envelope, to Destination) Identity {
	var target, shape uint64
	if env.Op != nil {
		target, shape = TargetOf(env.Op.Type.Name, env.Op.Name, env.ID), env.Op.Shape
	} else {
		target, shape = to.Function.target, to.Function.Shape
	}
	return NewIdentity(target, xxhash.Sum64(env.Encoded()), max(shape&shapeMask, noShape))
}

// TargetOf is the hash of what names a target. Each part goes in with its length, so that no two lists of parts run together to the same.
func TargetOf(parts ...string) uint64 {
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

// Like compares a request with the first one that had its id. If the shape of that one's argument is not known (the row is of an older
// program), another argument makes it another request: to answer with the outcome of one that it is not would lose it.
func (i Identity) Like(first Identity) Likeness {
	switch {
	case i.Fingerprint == first.Fingerprint:
		return IsSame
	case i.Tag&^shapeMask != first.Tag&^shapeMask:
		return IsOther
	case i.Shape() != first.Shape() && first.Shape() != 0:
		return IsChanged
	}
	return IsOtherArg
}

// OldFingerprint is how older programs told requests with one id apart: their rows have it in the place of the target. With another
// argument it is another one: nobody can tell what has changed.
func OldFingerprint(env *instances.Envelope) uint64 {
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
