package deploy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/platform/sqldb"
)

// authority is a certificate authority of the operator's own.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string // of its certificate, as services are given it
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "own authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return authority{certificate, key, file}
}

// issue returns a certificate for a server of this name.
func (a authority) issue(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// front ends TLS in front of a real server, as a load balancer does.
type front struct {
	target      string
	certificate tls.Certificate
	postgres    bool         // TLS begins after a request in the clear
	received    atomic.Int64 // bytes from clients, decrypted
}

// start returns the port at localhost. The front stops when the test ends.
func (f *front) start(t *testing.T) (port string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			wait.Go(func() { f.serve(client) })
		}
	})
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		wait.Wait()
	})
	_, port, err = net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	return port
}

func (f *front) serve(client net.Conn) {
	defer client.Close()
	if f.postgres {
		// SSLRequest, https://www.postgresql.org/docs/17/protocol-flow.html#PROTOCOL-FLOW-SSL
		if _, err := io.ReadFull(client, make([]byte, 8)); err != nil {
			return
		}
		if _, err := client.Write([]byte("S")); err != nil {
			return
		}
	}
	secure := tls.Server(client, &tls.Config{Certificates: []tls.Certificate{f.certificate}, MinVersion: tls.VersionTLS12})
	if secure.Handshake() != nil {
		return
	}
	server, err := net.Dial("tcp", f.target)
	if err != nil {
		return
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { defer server.Close(); _, _ = io.Copy(server, io.TeeReader(secure, f)) })
	both.Go(func() { defer client.Close(); _, _ = io.Copy(secure, server) })
	both.Wait()
}

// Write counts what clients send.
func (f *front) Write(p []byte) (int, error) {
	f.received.Add(int64(len(p)))
	return len(p), nil
}

// impostors are servers that a client must not give its password to.
func impostors(t *testing.T, trusted authority) map[string]tls.Certificate {
	t.Helper()
	return map[string]tls.Certificate{
		"a certificate of another authority": newAuthority(t).issue(t, "localhost"),
		"a certificate for another name":     trusted.issue(t, "elsewhere.example"),
	}
}

// openTLS opens a bus at the port, which trusts the authority.
func openTLS(t *testing.T, at, port string, trusted authority) *rabbit.Bus {
	t.Helper()
	secure := rabbittest.At(t, at, func(u *url.URL) {
		u.Scheme, u.Host, u.RawQuery = "amqps", "localhost:"+port, "cacertfile="+url.QueryEscape(trusted.file)
	})
	b, err := rabbit.Open(t.Context(), rabbit.Config{
		URL: secure, Name: "orders", Topology: bus.Topology{"order.created.v1": {"payments"}},
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func TestEventsGoThroughTLSWithAnOwnCertificate(t *testing.T) {
	t.Parallel()
	at, trusted := rabbittest.URL(t), newAuthority(t)
	server, err := url.Parse(at)
	require.NoError(t, err)
	message := []bus.Message{{ID: "1", Type: "order.created.v1", Body: []byte("{}")}}

	genuine := &front{target: server.Host, certificate: trusted.issue(t, "localhost")}
	require.NoError(t, openTLS(t, at, genuine.start(t), trusted).Publish(t.Context(), message)[0])
	require.Positive(t, genuine.received.Load())

	for name, certificate := range impostors(t, trusted) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &front{target: server.Host, certificate: certificate}
			b := openTLS(t, at, f.start(t), trusted)
			require.False(t, b.Connected())
			err := b.Publish(t.Context(), message)[0]
			require.ErrorIs(t, err, bus.ErrUnavailable)
			require.ErrorContains(t, err, "certificate")
			require.Zero(t, f.received.Load(), "the password was sent")
		})
	}
}

func TestTheDatabaseIsReachedThroughTLSWithAnOwnCertificate(t *testing.T) {
	t.Parallel()
	p, trusted := newPostgres(t), newAuthority(t)
	open := func(f *front) error {
		at := *p.at
		at.Host = "localhost:" + f.start(t)
		at.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {trusted.file}}.Encode()
		db, err := sqldb.Open(t.Context(), at.String(), sqldb.Options{MaxConns: 1})
		if err != nil {
			return err
		}
		defer db.Close()
		return db.Ping(t.Context())
	}
	genuine := &front{target: p.at.Host, certificate: trusted.issue(t, "localhost"), postgres: true}
	require.NoError(t, open(genuine))
	require.Positive(t, genuine.received.Load())

	for name, certificate := range impostors(t, trusted) {
		f := &front{target: p.at.Host, certificate: certificate, postgres: true}
		require.ErrorContains(t, open(f), "certificate", name)
		require.Zero(t, f.received.Load(), name)
	}
}
