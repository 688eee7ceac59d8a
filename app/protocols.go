package app

import (
	"net/http"
	"time"
)

// protocols returns the versions of HTTP that a server speaks. Without TLS, HTTP/2 is
// accepted only if a setting allows it: a client must know that in advance, and proxies
// that do not could be led to pass on a stream that they do not understand.
func protocols(h2c bool) *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(h2c)
	return p
}

// http2Limits bounds what one HTTP/2 connection can occupy. A client that opens streams
// and resets them has at most MaxConcurrentStreams handlers running, and its connection
// ends when four times as many wait (net/http).
func http2Limits() *http.HTTP2Config {
	return &http.HTTP2Config{
		MaxConcurrentStreams:          100,
		MaxReceiveBufferPerStream:     64 << 10,
		MaxReceiveBufferPerConnection: 1 << 20,
		MaxReadFrameSize:              16 << 10,
		SendPingTimeout:               30 * time.Second,
		PingTimeout:                   15 * time.Second,
		WriteByteTimeout:              30 * time.Second,
	}
}
