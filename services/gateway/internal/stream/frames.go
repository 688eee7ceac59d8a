package stream

import "encoding/binary"

// frames follows the frames of a WebSocket (RFC 6455, section 5.2) through the bytes of
// one direction, to know where one ends: only there may another frame be inserted.
type frames struct {
	header [14]byte // of the frame that has begun
	have   int      // bytes of header
	left   uint64   // bytes of the payload
}

// atBoundary reports whether the last frame is complete.
func (f *frames) atBoundary() bool { return f.have == 0 && f.left == 0 }

// next consumes bytes of p up to the end of a frame, and returns how many they were.
func (f *frames) next(p []byte) int {
	used := 0
	for f.left == 0 && used < len(p) {
		f.header[f.have] = p[used]
		f.have++
		used++
		if f.have < f.headerSize() {
			continue
		}
		f.left, f.have = f.payloadSize(), 0
		if f.left == 0 {
			return used
		}
	}
	payload := min(f.left, uint64(len(p)-used))
	f.left -= payload
	return used + int(payload)
}

// skip consumes all of p.
func (f *frames) skip(p []byte) {
	for len(p) > 0 {
		p = p[f.next(p):]
	}
}

// headerSize returns the size of the header, as far as its beginning determines it.
func (f *frames) headerSize() int {
	size := 2
	if f.have < 2 {
		return size
	}
	switch f.header[1] & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if f.header[1]&0x80 != 0 {
		size += 4 // the mask
	}
	return size
}

func (f *frames) payloadSize() uint64 {
	switch n := f.header[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.header[2:]))
	case 127:
		return binary.BigEndian.Uint64(f.header[2:])
	default:
		return uint64(n)
	}
}

// goingAway returns a close frame with the status 1001: an endpoint that goes away. A
// client must mask its frames, so the one that is sent to a server is masked.
func goingAway(masked bool) []byte {
	status := binary.BigEndian.AppendUint16(nil, 1001)
	if !masked {
		return append([]byte{0x88, 2}, status...)
	}
	return append([]byte{0x88, 0x80 | 2, 0, 0, 0, 0}, status...) // masked with zero, which changes nothing
}
