package upstream

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// clientBody is the body of an inbound request. A small body is read completely before
// the service is called: so a slow or broken client costs the service nothing, and the
// request can be retried. A large body, or one that the client sends only on request
// ("Expect: 100-continue"), is streamed.
type clientBody struct {
	rest       io.ReadCloser         // nil if there is no body
	buffer     *[bodyBufferSize]byte // what was read in advance
	length     int                   // the number of bytes in buffer
	streams    bool                  // there is more than what buffer holds
	controller *http.ResponseController
	onPart     func() // called when a part has arrived, so the service can continue

	readError atomic.Pointer[error] // the error of reading it
	readers   atomic.Int32          // readers that the transport has not closed yet
	begun     atomic.Bool           // the transport has read from the streamed body
	waiting   atomic.Bool           // it is waiting for the client
	ended     atomic.Bool           // the request is finished
}

const bodyBufferSize = 64 << 10

var bodyBuffers = sync.Pool{New: func() any { return new([bodyBufferSize]byte) }}

func (b *clientBody) init(x *proxyRequest) {
	if x.in.Body == nil || x.in.Body == http.NoBody || x.in.ContentLength == 0 {
		return
	}
	b.rest = x.in.Body
	if x.in.ContentLength < 0 {
		b.rest = http.MaxBytesReader(x.w, b.rest, x.u.config.MaxBody)
	}
	b.streams = x.in.ContentLength > bodyBufferSize || x.in.Header.Get("Expect") != ""
	b.controller = http.NewResponseController(x.w)
	b.deadline(time.Now().Add(x.u.config.Total))
	b.onPart = func() { x.timer.restart(errTryTimeout, x.u.config.Try) }
	x.timer.reclassify = b.reclassify
	if b.streams {
		// Without this the server would hold back an early response until the client has
		// sent more.
		_ = b.controller.EnableFullDuplex()
	}
}

// deadline sets when reads from the client end. A writer without a connection behind it
// returns an error, but then there is no client to wait for.
func (b *clientBody) deadline(at time.Time) { _ = b.controller.SetReadDeadline(at) }

// reclassify returns the cause of an overdue response: while the transport itself waits
// for the client, the service is not at fault.
func (b *clientBody) reclassify(cause error) error {
	if errors.Is(cause, errTryTimeout) && b.waiting.Load() {
		return errClientSlow
	}
	return cause
}

// readAhead reads a small body completely. It reads a body of unknown length until it
// ends or fills the buffer.
func (b *clientBody) readAhead() error {
	if b.rest == nil || b.streams {
		return nil
	}
	b.buffer = bodyBuffers.Get().(*[bodyBufferSize]byte)
	for b.length < bodyBufferSize {
		n, err := b.read(b.buffer[b.length:])
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
		b.deadline(time.Time{}) // from now on the server only notices if the client disconnects
	default:
		b.readError.CompareAndSwap(nil, &err)
	}
	return n, err
}

// reader returns the body for one attempt, and a function to read it again if that is
// possible.
func (b *clientBody) reader() (body io.ReadCloser, get func() (io.ReadCloser, error)) {
	if b.rest == nil {
		return nil, nil
	}
	b.readers.Add(1)
	if b.streams {
		return &streamReader{b: b}, nil
	}
	return &replayReader{b: b}, b.replay
}

func (b *clientBody) replay() (io.ReadCloser, error) {
	b.readers.Add(1)
	return &replayReader{b: b}, nil
}

// isConsumed reports whether the body cannot be sent again.
func (b *clientBody) isConsumed() bool { return b.streams && b.begun.Load() }

// err returns the error of reading the body, or nil.
func (b *clientBody) err() error {
	if err := b.readError.Load(); err != nil {
		return *err
	}
	return nil
}

// close ends all reads, also one that is still waiting, because the server could not
// finish the request before it. The transport may hold a reader for longer than its round
// trip; the buffer is reused only if it does not.
func (b *clientBody) close() {
	b.ended.Store(true)
	if b.waiting.Load() {
		b.deadline(time.Unix(1, 0))
	}
	if b.buffer != nil && b.readers.Load() == 0 {
		bodyBuffers.Put(b.buffer)
	}
}

// replayReader reads the buffer from its beginning.
type replayReader struct {
	b      *clientBody
	at     int
	closed atomic.Bool
}

func (r *replayReader) Read(p []byte) (int, error) {
	if r.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if r.at >= r.b.length {
		return 0, io.EOF
	}
	n := copy(p, r.b.buffer[r.at:r.b.length])
	r.at += n
	return n, nil
}

func (r *replayReader) Close() error {
	if !r.closed.Swap(true) {
		r.b.readers.Add(-1)
	}
	return nil
}

// streamReader reads the buffer and then the rest, as the client sends it.
type streamReader struct {
	b      *clientBody
	at     int
	closed atomic.Bool
}

func (s *streamReader) Read(p []byte) (int, error) {
	b := s.b
	b.begun.Store(true)
	if s.at < b.length {
		n := copy(p, b.buffer[s.at:b.length])
		s.at += n
		return n, nil
	}
	b.waiting.Store(true)
	defer b.waiting.Store(false)
	if b.ended.Load() || s.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.read(p)
	b.onPart()
	return n, err
}

// Close leaves the client's body open: the server closes it after the request.
func (s *streamReader) Close() error {
	if !s.closed.Swap(true) {
		s.b.readers.Add(-1)
	}
	return nil
}
