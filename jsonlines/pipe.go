package jsonlines

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/concordat-dev/concordat/functions"
)

// pipeReader reads the lines of a pipe or a device. It outlives a run that fails: what it has read cannot be read again.
type pipeReader struct {
	source *ingress
	file   *os.File
	lines  *bufio.Reader
	line   []byte // not delivered yet, or not whole
	whole  bool
	began  bool // there was a writer
}

func newPipeReader(s *ingress, file *os.File) *pipeReader {
	return &pipeReader{source: s, file: file, lines: bufio.NewReaderSize(file, 1<<16)}
}

// errRead: two ingresses would each get parts of lines.
var errRead = errors.New("another ingress reads the pipe")

// run reads while nobody else does.
func (p *pipeReader) run(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	info, err := p.file.Stat()
	if err != nil {
		return err
	}
	hold, free := linesIn.hold(info, p.source.path, nil)
	if !free {
		return p.giveBack(errRead)
	}
	defer hold.release()
	return p.read(ctx, after, deliver)
}

// giveBack closes a pipe of which nothing was read yet: who holds it open counts as a reader.
func (p *pipeReader) giveBack(err error) error {
	if p.began {
		return err
	}
	return p.end(err)
}

// read delivers lines until the writers have closed the pipe, or forever if it is followed.
func (p *pipeReader) read(ctx context.Context, after uint64, deliver func(uint64, functions.Message) error) error {
	stop := context.AfterFunc(ctx, func() { _ = p.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	r := &linesReader{source: p.source, position: int64(after), deliver: deliver}
	for {
		if p.whole {
			end := r.position + int64(len(p.line))
			if err := r.give(ctx, end, p.line); err != nil {
				return err
			}
			r.position, p.line, p.whole = end, p.line[:0], false
		}
		err := p.next(r.position)
		switch {
		case ctx.Err() != nil:
			return p.end(ctx.Err())
		case err == nil:
		case !errors.Is(err, io.EOF):
			return err
		case p.began && !p.source.options.Follow:
			r.rest = int64(len(p.line))
			r.warnOfRest()
			return p.end(nil)
		default:
			if err := p.source.pause(ctx); err != nil {
				return p.end(err)
			}
		}
	}
}

// next reads on until the line is whole. io.EOF says that there is no writer.
func (p *pipeReader) next(position int64) error {
	for {
		part, err := p.lines.ReadSlice('\n')
		p.line = append(p.line, part...)
		p.began = p.began || len(part) > 0
		if len(p.line) > p.source.options.MaxLine {
			return errTooLong(position, p.source.options.MaxLine)
		}
		if err == nil {
			p.whole = true
			return nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// end closes the pipe: the next run opens it again.
func (p *pipeReader) end(err error) error {
	p.source.pipe = nil
	return errors.Join(err, p.file.Close())
}
