package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func frame(size int, masked bool) []byte {
	head := []byte{0x82, 0}
	switch {
	case size < 126:
		head[1] = byte(size)
	case size < 1<<16:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(size))
	default:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, uint64(size))
	}
	if masked {
		head[1] |= 0x80
		head = append(head, 0, 0, 0, 0)
	}
	return append(head, bytes.Repeat([]byte{0xff}, size)...)
}

// However the bytes are split, the end of each frame is found.
func FuzzTheEndOfAFrameIsFound(f *testing.F) {
	f.Add(uint16(0), false, uint16(1))
	f.Add(uint16(125), true, uint16(3))
	f.Add(uint16(126), true, uint16(5))
	f.Add(uint16(65535), false, uint16(7))
	f.Fuzz(func(t *testing.T, size uint16, masked bool, part uint16) {
		one := frame(int(size), masked)
		two := append(append([]byte{}, one...), frame(70_000, !masked)...)
		var s frames
		ends, at := []int{}, 0
		for rest := two; len(rest) > 0; {
			n := s.next(rest[:min(len(rest), int(part)+1)])
			at, rest = at+n, rest[n:]
			if s.atBoundary() {
				ends = append(ends, at)
			}
		}
		require.Equal(t, []int{len(one), len(two)}, ends)
	})
}

// pair returns both ends of a TCP connection.
func pair(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	near, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	far, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

func TestAStopEndsAWebSocketBetweenTwoFrames(t *testing.T) {
	t.Parallel()
	client, clientSide := pair(t)
	service, serviceSide := pair(t)
	tunnel := NewTunnel(clientSide, clientSide, serviceSide, time.Minute)
	done := make(chan struct{})
	go func() { defer close(done); tunnel.Run() }()

	message := frame(300, false)
	_, err := service.Write(message[:100])
	require.NoError(t, err)
	received := make([]byte, 100)
	_, err = io.ReadFull(client, received)
	require.NoError(t, err)

	tunnel.End() // in the middle of a message to the client
	closeFrame := make([]byte, len(goingAway(true)))
	_, err = io.ReadFull(service, closeFrame)
	require.NoError(t, err)
	require.Equal(t, goingAway(true), closeFrame, "the service was between two frames")

	require.Eventually(t, func() bool {
		tunnel.toClient.mu.Lock()
		defer tunnel.toClient.mu.Unlock()
		return tunnel.toClient.state == closing
	}, 5*time.Second, time.Millisecond)
	_, err = service.Write(append(message[100:], frame(5, false)...))
	require.NoError(t, err)
	require.NoError(t, service.Close())
	rest, err := io.ReadAll(client)
	require.NoError(t, err)
	require.Equal(t, append(message[100:], goingAway(false)...), rest, "the message is complete, and nothing follows the close frame")
	require.NoError(t, client.Close())
	<-done
}

func TestASilentPeerDoesNotKeepATunnelOpen(t *testing.T) {
	t.Parallel()
	client, clientSide := pair(t)
	_, serviceSide := pair(t)
	done := make(chan struct{})
	go func() { defer close(done); NewTunnel(clientSide, clientSide, serviceSide, 20*time.Millisecond).Run() }()
	_, err := io.ReadAll(client)
	require.NoError(t, err)
	<-done
}

func TestARegistryCountsLimitsAndEndsStreams(t *testing.T) {
	t.Parallel()
	ann, bob := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	r := NewRegistry(3, 2)
	ended := 0
	open := func(client netip.Addr) (*Stream, Refusal) { return r.Open(client, func() { ended++ }) }
	first, refusal := open(ann)
	require.Equal(t, Opened, refusal)
	_, _ = open(ann)
	_, refusal = open(ann)
	require.Equal(t, AddressFull, refusal)
	last, refusal := open(bob)
	require.Equal(t, Opened, refusal)
	_, refusal = open(bob)
	require.Equal(t, AllFull, refusal)
	first.Close()
	second, refusal := open(ann)
	require.Equal(t, Opened, refusal)
	require.Equal(t, 3, r.Count())

	r.Stop()
	require.Equal(t, 3, ended)
	_, refusal = open(bob)
	require.Equal(t, Stopping, refusal)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, r.Wait(gone), context.Canceled, "three are still open")
	last.Close()
	second.Close()
	require.Error(t, r.Wait(gone))
}

func TestAWaitEndsWithTheLastStream(t *testing.T) {
	t.Parallel()
	require.NoError(t, NewRegistry(1, 1).Wait(t.Context()), "there is none")
	r := NewRegistry(1, 1)
	s, _ := r.Open(netip.Addr{}, func() {})
	go s.Close()
	require.NoError(t, r.Wait(t.Context()))
}
