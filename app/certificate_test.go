package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/app/certtest"
)

// files returns the settings of a service that serves TLS with this pair.
func files(t *testing.T, pair certtest.Pair) map[string]string {
	t.Helper()
	dir := t.TempDir()
	environ := map[string]string{"ORDERS_TLS_CERT": filepath.Join(dir, "tls.crt"), "ORDERS_TLS_KEY": filepath.Join(dir, "tls.key")}
	replace(t, environ, pair)
	return environ
}

func replace(t *testing.T, environ map[string]string, pair certtest.Pair) {
	t.Helper()
	require.NoError(t, os.WriteFile(environ["ORDERS_TLS_CERT"], pair.Cert, 0o600))
	require.NoError(t, os.WriteFile(environ["ORDERS_TLS_KEY"], pair.Key, 0o600))
}

// httpsClient returns a client that trusts the pairs.
func httpsClient(t *testing.T, configure func(*http.Transport), pairs ...certtest.Pair) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	for _, p := range pairs {
		require.True(t, roots.AppendCertsFromPEM(p.Cert))
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS10}, ForceAttemptHTTP2: true}
	if configure != nil {
		configure(transport)
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// serial returns the serial number of the certificate of a response, and whether its
// connection was used before.
func serial(t *testing.T, client *http.Client, url string) (number *big.Int, reused bool, proto string) {
	t.Helper()
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { reused = c.Reused }}
	request, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url+"/greeting", nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, 200, response.StatusCode)
	return response.TLS.PeerCertificates[0].SerialNumber, reused, response.Proto
}

func TestAServiceWithACertificateSpeaksHTTPSAndHTTP2(t *testing.T) {
	t.Parallel()
	pair := certtest.New(t, certtest.Valid)
	system := startSystem(t, files(t, pair), greeter("orders"))
	url := system.URL("orders")
	require.Contains(t, url, "https://")
	_, _, proto := serial(t, httpsClient(t, nil, pair), url)
	require.Equal(t, "HTTP/2.0", proto)
	_, _, proto = serial(t, httpsClient(t, func(tr *http.Transport) { tr.ForceAttemptHTTP2 = false }, pair), url)
	require.Equal(t, "HTTP/1.1", proto)
	require.Equal(t, 400, statusFor(t, strings.Replace(url, "https", "http", 1), ""), "not without TLS")
	_, err := httpsClient(t, func(tr *http.Transport) { tr.TLSClientConfig.MaxVersion = tls.VersionTLS11 }, pair).Get(url)
	require.ErrorContains(t, err, "protocol version")
}

func TestAReplacedCertificateIsUsedAndNoConnectionIsDropped(t *testing.T) {
	t.Parallel()
	before, after := certtest.New(t, certtest.Valid), certtest.New(t, certtest.Valid)
	environ := files(t, before)
	system := startSystem(t, environ, greeter("orders"))
	url := system.URL("orders")
	open, fresh := httpsClient(t, nil, before, after), httpsClient(t, nil, before, after)
	number, _, _ := serial(t, open, url)
	require.Equal(t, before.Serial, number)

	replace(t, environ, after)
	system.Reload(t.Context())
	number, _, _ = serial(t, fresh, url)
	require.Equal(t, after.Serial, number, "a new connection")
	number, reused, _ := serial(t, open, url)
	require.Equal(t, before.Serial, number, "the connection that was open")
	require.True(t, reused)
}

func TestReplacedFilesAreNoticedWhenTheyAreComplete(t *testing.T) {
	t.Parallel()
	before, after := certtest.New(t, certtest.Valid), certtest.New(t, certtest.Valid)
	environ := files(t, before)
	c, err := newCertificate(greeter("orders"), environ, time.Now)
	require.NoError(t, err)
	var log strings.Builder
	look := func() *big.Int {
		c.step(context.Background(), slog.New(slog.NewTextHandler(&log, nil)))
		return c.current.Load().Leaf.SerialNumber
	}
	look()
	require.Equal(t, before.Serial, look())

	require.NoError(t, os.WriteFile(environ["ORDERS_TLS_CERT"], after.Cert, 0o600))
	require.Equal(t, before.Serial, look(), "the key is still to come")
	require.NoError(t, os.WriteFile(environ["ORDERS_TLS_KEY"], after.Key, 0o600))
	require.Equal(t, before.Serial, look(), "it may still be written")
	require.Equal(t, after.Serial, look())
	require.NotContains(t, log.String(), "refused")

	require.NoError(t, os.WriteFile(environ["ORDERS_TLS_KEY"], []byte("nonsense"), 0o600))
	for range 3 {
		require.Equal(t, after.Serial, look(), "a bad pair is not used")
	}
	require.Equal(t, 1, strings.Count(log.String(), "certificate refused"), "and is logged once")
	require.NoError(t, os.Remove(environ["ORDERS_TLS_KEY"]))
	for range 3 {
		require.Equal(t, after.Serial, look())
	}
	replace(t, environ, certtest.New(t, certtest.Expired))
	for range 3 {
		require.Equal(t, after.Serial, look())
	}
	require.Contains(t, log.String(), "expired on")
	require.Error(t, c.reload(), "an operator who asks for it gets the reason")
	replace(t, environ, before)
	look()
	require.Equal(t, before.Serial, look())
}

func TestABadCertificateStopsTheStart(t *testing.T) {
	t.Parallel()
	good, other := certtest.New(t, certtest.Valid), certtest.New(t, certtest.Valid)
	for sentence, pair := range map[string]certtest.Pair{
		"do not make a pair":  {Cert: good.Cert, Key: other.Key},
		"PEM":                 {Cert: []byte("nonsense"), Key: good.Key},
		"renew it":            certtest.New(t, certtest.Expired),
		"is valid only from ": certtest.New(t, certtest.Future),
	} {
		c := config(t, greeter("orders"))
		maps.Copy(c.Environ, files(t, pair))
		_, err := Start(t.Context(), c)
		require.ErrorContains(t, err, sentence)
		require.ErrorContains(t, err, "ORDERS_TLS_CERT")
	}
	for name, missing := range map[string]string{"ORDERS_TLS_CERT": "set both", "ORDERS_TLS_KEY": "cannot be read"} {
		c := config(t, greeter("orders"))
		maps.Copy(c.Environ, files(t, good))
		c.Environ[name] = map[string]string{"set both": "", "cannot be read": "/no/such/file"}[missing]
		_, err := Start(t.Context(), c)
		require.ErrorContains(t, err, missing)
		require.ErrorContains(t, err, "ORDERS_TLS_KEY")
	}
}

func TestHealthAsksAServiceWithACertificate(t *testing.T) {
	t.Parallel()
	environ := files(t, certtest.New(t, certtest.Valid))
	system := startSystem(t, environ, greeter("orders"))
	environ["ORDERS_LISTEN"] = strings.TrimPrefix(system.URL("orders"), "https://")
	require.NoError(t, Health(t.Context(), t.Output(), environ, greeter("orders")))
	require.Equal(t, "https://127.0.0.1:8002", Service{Name: "orders", Port: 8002}.URL(environ), "others call it so")
}

func TestHTTP2WithoutTLSNeedsASetting(t *testing.T) {
	t.Parallel()
	client := &http.Client{Transport: &http.Transport{Protocols: func() *http.Protocols {
		p := new(http.Protocols)
		p.SetUnencryptedHTTP2(true)
		return p
	}()}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func(environ map[string]string) (string, error) {
		response, err := client.Get(startSystem(t, environ, greeter("orders")).URL("orders") + "/greeting")
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		return response.Proto, nil
	}
	_, err := ask(nil)
	require.Error(t, err)
	proto, err := ask(map[string]string{"TROUPE_H2C": "true"})
	require.NoError(t, err)
	require.Equal(t, "HTTP/2.0", proto)
}
