package app

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ports is where each service listens, and is looked for, unless a setting
// says otherwise.
var ports = map[string]int{
	"gateway":       8000,
	"users":         8001,
	"orders":        8002,
	"notifications": 8003,
	"inventory":     8004,
	"payments":      8005,
}

// ListenAddress is NAME_LISTEN, or the service's own port on the loopback interface.
func ListenAddress(name string, environ map[string]string) string {
	if address := environ[strings.ToUpper(name)+"_LISTEN"]; address != "" {
		return address
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[name]))
}

// peers gives the base URL of every service: NAME_URL, or its own port on this host.
func peers(environ map[string]string) map[string]string {
	urls := make(map[string]string, len(ports))
	for name, port := range ports {
		urls[name] = "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if url := environ[strings.ToUpper(name)+"_URL"]; url != "" {
			urls[name] = strings.TrimSuffix(url, "/")
		}
	}
	return urls
}

// newTransport keeps enough idle connections to each peer for a busy gateway:
// the standard two per host make every burst dial anew.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 512,
		IdleConnTimeout:     45 * time.Second,
		// A body announced with Expect is sent after this even if the peer says nothing.
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // what a peer sends goes through as it is
	}
}
