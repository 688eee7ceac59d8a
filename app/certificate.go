package app

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/patterns/worker"
	"troupe/platform/ascii"
)

// certificate is a service's certificate for TLS, from two files that may be replaced
// while it serves. Connections that are open keep the one that they began with.
type certificate struct {
	certFile, keyFile string
	now               func() time.Time
	current           atomic.Pointer[tls.Certificate]

	mu    sync.Mutex // held during a look at the files
	tried pairDigest // of the files that were read last, in use or refused
	seen  pairDigest // of the files at the last look
}

type pairDigest = [sha256.Size]byte

// newCertificate reads the certificate that NAME_TLS_CERT and NAME_TLS_KEY name. It
// returns nil if the service has none. The error of one that no client would accept says
// what to do.
func newCertificate(s Service, environ map[string]string, now func() time.Time) (*certificate, error) {
	certSetting, keySetting := ascii.Upper(s.Name)+"_TLS_CERT", ascii.Upper(s.Name)+"_TLS_KEY"
	c := &certificate{certFile: environ[certSetting], keyFile: environ[keySetting], now: now}
	switch {
	case c.certFile == "" && c.keyFile == "":
		return nil, nil //nolint:nilnil // no certificate is not an error
	case c.certFile == "" || c.keyFile == "":
		return nil, fmt.Errorf("set both %s and %s, or neither: TLS needs the certificate and its private key", certSetting, keySetting)
	}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("%s and %s: %w", certSetting, keySetting, err)
	}
	return c, nil
}

func (c *certificate) read() (cert, key []byte, err error) {
	if cert, err = os.ReadFile(c.certFile); err != nil {
		return nil, nil, fmt.Errorf("the certificate cannot be read; give the path of a PEM file: %w", err)
	}
	if key, err = os.ReadFile(c.keyFile); err != nil {
		return nil, nil, fmt.Errorf("the private key cannot be read; give the path of a PEM file: %w", err)
	}
	return cert, key, nil
}

// use puts a pair into use for new connections, unless it is bad.
func (c *certificate) use(cert, key []byte) error {
	c.tried = digestOf(cert, key)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("%s and %s do not make a pair; give the PEM files of one certificate, with its chain, and of its key: %w", c.certFile, c.keyFile, err)
	}
	const day = "2006-01-02"
	switch now := c.now(); {
	case now.After(pair.Leaf.NotAfter):
		return fmt.Errorf("the certificate %s expired on %s: renew it", c.certFile, pair.Leaf.NotAfter.Format(day))
	case now.Before(pair.Leaf.NotBefore):
		return fmt.Errorf("the certificate %s is valid only from %s: check the clock of this machine, or wait", c.certFile, pair.Leaf.NotBefore.Format(day))
	}
	c.current.Store(&pair)
	return nil
}

func digestOf(cert, key []byte) pairDigest {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s%s", len(cert), cert, key))
}

// config returns the configuration of TLS for a server.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}

// watcher returns the worker that puts replaced files into use.
func (c *certificate) watcher(log *slog.Logger) worker.Worker {
	return worker.Worker{Name: "certificate", Interval: time.Second, Step: func(ctx context.Context) (int, error) {
		c.step(ctx, log)
		return 0, nil
	}}
}

// step looks at the files. It uses those that are the same at two looks in a row: the
// certificate is often replaced a moment before its key.
func (c *certificate) step(ctx context.Context, log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cert, key, err := c.read()
	now := digestOf(cert, key)
	settled := now == c.seen
	c.seen = now
	if !settled || now == c.tried {
		return
	}
	if err == nil {
		err = c.use(cert, key)
	}
	c.tried = now
	if err != nil {
		log.ErrorContext(ctx, "certificate refused; the one before stays in use", "error", err)
		return
	}
	log.InfoContext(ctx, "certificate reloaded", "file", c.certFile, "valid_until", c.current.Load().Leaf.NotAfter)
}

// reload reads the files now, as an operator asks for with SIGHUP.
func (c *certificate) reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load()
}

func (c *certificate) load() error {
	cert, key, err := c.read()
	if err != nil {
		return err
	}
	return c.use(cert, key)
}

// registerMetrics adds the end of the certificate's validity, for an alert before it.
func (c *certificate) registerMetrics(r prometheus.Registerer) {
	r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "troupe_tls_certificate_not_after_seconds",
		Help: "When the certificate in use ends to be valid, in seconds since 1970.",
	}, func() float64 { return float64(c.current.Load().Leaf.NotAfter.Unix()) }))
}
