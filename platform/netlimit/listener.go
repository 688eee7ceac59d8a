package netlimit

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"troupe/platform/clientaddr"
)

// The limits that a connection may be refused for, as values of a label.
const (
	limitAll    = "all"
	limitClient = "client"
)

// Listener returns a listener that accepts the connections of inner and refuses, by
// closing them, those over the limits.
func (l *Limiter) Listener(inner net.Listener) net.Listener { return &listener{inner, l} }

type listener struct {
	net.Listener
	limiter *Limiter
}

// Accept returns the next connection within the limits.
func (l *listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			l.limiter.reportAcceptError(err)
			return nil, err
		}
		client := l.limiter.clientOf(accepted.RemoteAddr())
		if limit := l.limiter.admit(client); limit != "" {
			l.limiter.reportRefusal(limit, client)
			_ = accepted.Close() // nothing was sent that could be lost
			continue
		}
		return l.limiter.newConn(accepted, client), nil
	}
}

// reportAcceptError reports what keeps the server from accepting connections: it
// cannot answer, so the log is the only place to say it. A closed listener is how a
// server stops.
func (l *Limiter) reportAcceptError(err error) {
	if errors.Is(err, net.ErrClosed) {
		return
	}
	l.metrics.acceptErrors.Inc()
	l.accepting.warn("no connection can be accepted", slog.String("error", err.Error()))
}

func (l *Limiter) reportRefusal(limit string, client netip.Addr) {
	l.metrics.refused.WithLabelValues(limit).Inc()
	message := "connections are refused: there are too many"
	if limit == limitClient {
		message = "connections of a client are refused: it has too many"
	}
	l.refusals.warn(message, slog.String("client", client.String()))
}

// clientOf returns the address that the connections of a client are counted by, the
// zero Addr for a peer whose connections are not. A network of IPv6 has as many
// addresses as it likes, so its /64 counts as one.
func (l *Limiter) clientOf(remote net.Addr) netip.Addr {
	peer, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return netip.Addr{}
	}
	address := peer.Addr().Unmap()
	if address.IsLoopback() || l.isExempt(address) {
		return netip.Addr{}
	}
	return clientaddr.Network(address)
}

func (l *Limiter) isExempt(a netip.Addr) bool {
	peers := l.exempt.Load()
	if peers == nil {
		return false
	}
	for _, p := range *peers {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// admit counts a connection of the client, or returns the limit that it would exceed.
func (l *Limiter) admit(client netip.Addr) (limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.all >= l.config.Connections:
		return limitAll
	case client.IsValid() && l.byClient[client] >= l.config.ConnectionsPerClient:
		return limitClient
	}
	l.all++
	if client.IsValid() {
		l.byClient[client]++
	}
	l.metrics.open.Inc()
	return ""
}

// release ends the count of a connection.
func (l *Limiter) release(client netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if client.IsValid() {
		if l.byClient[client]--; l.byClient[client] == 0 {
			delete(l.byClient, client)
		}
	}
	l.metrics.open.Dec()
}
