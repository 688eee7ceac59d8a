package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// clientBody is the body of an inbound request. A small one is read whole before
// the service is touched: then a slow or broken client costs the service
// nothing, and the request can be tried again. A large one, or one that the
// client sends only when asked ("Expect: 100-continue"), streams through.
type clientBody struct {
	rest    io.ReadCloser   // nil if there is no body
	kept    *[keepSize]byte // what was read ahead
	length  int             // of that
	streams bool            // there is more than what was kept
	from    *http.ResponseController
	sent    func() // told when a part of it came, and so the service can go on

	broken  atomic.Pointer[error] // what was wrong with it
	readers atomic.Int32          // that the transport has not closed yet
	begun   atomic.Bool           // the transport has read from a streamed body
	waits   atomic.Bool           // it waits for the client right now
	ended   atomic.Bool           // the exchange is over
}

const keepSize = 64 << 10

var keeps = sync.Pool{New: func() any { return new([keepSize]byte) }}

func (b *clientBody) init(x *exchange) {
	if x.in.Body == nil || x.in.Body == http.NoBody || x.in.ContentLength == 0 {
		return
	}
	b.rest = x.in.Body
	if x.in.ContentLength < 0 {
		b.rest = http.MaxBytesReader(x.w, b.rest, x.u.config.MaxBody)
	}
	b.streams = x.in.ContentLength > keepSize || x.in.Header.Get("Expect") != ""
	b.from = http.NewResponseController(x.w)
	b.deadline(time.Now().Add(x.u.config.Total))
	b.sent = func() { x.timer.restart(errTryTimeout, x.u.config.Try) }
	x.timer.blame = b.blame
	if b.streams {
		// Else the server would hold back an early answer until the client has sent more.
		_ = b.from.EnableFullDuplex()
	}
}

// deadline ends reads from the client. A writer without a connection behind it
// refuses, but then there is nobody to wait for.
func (b *clientBody) deadline(at time.Time) { _ = b.from.SetReadDeadline(at) }

// blame is asked when a service's answer is overdue: while the transport itself
// waits for the client, the service is not at fault.
func (b *clientBody) blame(cause error) error {
	if errors.Is(cause, errTryTimeout) && b.waits.Load() {
		return errClientSlow
	}
	return cause
}

// readAhead reads a small body whole. One of unknown length is read until it ends
// or proves not to be small.
func (b *clientBody) readAhead() error {
	if b.rest == nil || b.streams {
		return nil
	}
	b.kept = keeps.Get().(*[keepSize]byte)
	for b.length < keepSize {
		n, err := b.read(b.kept[b.length:])
		b.length += n
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	b.streams = true
	return nil
}

func (b *clientBody) read(p []byte) (int, error) {
	n, err := b.rest.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.deadline(time.Time{}) // the server now only watches whether the client hangs up
	default:
		b.broken.CompareAndSwap(nil, &err)
	}
	return n, err
}

// reader is the body for one try. get is given where it can be read once more.
func (b *clientBody) reader() (body io.ReadCloser, get func() (io.ReadCloser, error)) {
	if b.rest == nil {
		return nil, nil
	}
	b.readers.Add(1)
	if b.streams {
		return &streamed{b: b}, nil
	}
	return &replayed{b: b}, b.replay
}

func (b *clientBody) replay() (io.ReadCloser, error) {
	b.readers.Add(1)
	return &replayed{b: b}, nil
}

// spent says that the body can not be sent once more.
func (b *clientBody) spent() bool { return b.streams && b.begun.Load() }

// fault is what was wrong with the body, nil if nothing was.
func (b *clientBody) fault() error {
	if err := b.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// close lets nobody read any more, and ends a read that still waits: the server
// could not finish the request before. The transport may hold a reader for longer
// than its round trip lasts; only if it does not, what was kept may be reused.
func (b *clientBody) close() {
	b.ended.Store(true)
	if b.waits.Load() {
		b.deadline(time.Unix(1, 0))
	}
	if b.kept != nil && b.readers.Load() == 0 {
		keeps.Put(b.kept)
	}
}

// replayed reads what was kept, from its beginning.
type replayed struct {
	b      *clientBody
	at     int
	closed atomic.Bool
}

func (r *replayed) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if r.at >= r.b.length {
		return 0, io.EOF
	}
	n := copy(p, r.b.kept[r.at:r.b.length])
	r.at += n
	return n, nil
}

func (r *replayed) Close() error {
	if !r.closed.Swap(true) {
		r.b.readers.Add(-1)
	}
	return nil
}

// streamed reads what was kept and then the rest, as the client sends it.
type streamed struct {
	b      *clientBody
	at     int
	closed atomic.Bool
}

func (s *streamed) Read(p []byte) (int, error) {
	b := s.b
	b.begun.Store(true)
	if s.at < b.length {
		n := copy(p, b.kept[s.at:b.length])
		s.at += n
		return n, nil
	}
	b.waits.Store(true)
	defer b.waits.Store(false)
	if b.ended.Load() || s.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.read(p)
	b.sent()
	return n, err
}

// Close leaves the client's body open: the server closes it after the request.
func (s *streamed) Close() error {
	if !s.closed.Swap(true) {
		s.b.readers.Add(-1)
	}
	return nil
}
