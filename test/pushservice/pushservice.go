// Package pushservice is a push service for tests, with the browsers behind it. It checks all
// that a real one checks (the VAPID token, the headers), and decrypts what a browser would
// decrypt, by code of its own.
package pushservice

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Service is a push service.
type Service struct {
	Host string // of its endpoints
	CA   string // the file with the authority of its certificate

	url string

	mu       sync.Mutex
	browsers map[string]*Browser // by the path of the endpoint
	problems []string
}

// Answer is how the push service answers a request that it would not accept.
type Answer struct {
	Status     int
	RetryAfter string
	Location   string
	Hang       bool // it closes the connection without an answer
}

// Browser is a subscribed browser.
type Browser struct {
	Endpoint string
	P256DH   string
	Auth     string
	AppKey   string // the key it was subscribed with; "": any

	service  *Service
	now      func() time.Time
	private  *ecdh.PrivateKey
	auth     []byte
	answers  []Answer // of the next requests
	requests int
	got      []Push
}

// Push is a message that a browser has received.
type Push struct {
	Title, Body, Kind, Tag string
	OrderID                string `json:"order_id"`

	TTL, Urgency, Topic string
	Raw                 string // the decrypted payload
	Subject             string // of the VAPID token
}

// Start returns a push service that is closed at the end of the test, and fails the test
// if it gets a request that a real one would refuse.
func Start(t *testing.T) *Service {
	t.Helper()
	s := &Service{browsers: map[string]*Browser{}}
	server := httptest.NewTLSServer(http.HandlerFunc(s.serve))
	s.url, s.Host = server.URL, strings.TrimPrefix(server.URL, "https://")
	s.CA = filepath.Join(t.TempDir(), "authority.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	require.NoError(t, os.WriteFile(s.CA, pem.EncodeToMemory(block), 0o600))
	t.Cleanup(func() {
		server.Close()
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Empty(t, s.problems, "the push service got requests that a real one would refuse")
	})
	return s
}

// Subscribe returns a new browser that accepts messages signed with a key. now is its clock.
func (s *Service) Subscribe(t *testing.T, applicationServerKey string, now func() time.Time) *Browser {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	require.NoError(t, err)
	b := &Browser{AppKey: applicationServerKey, service: s, now: now, private: key, auth: make([]byte, 16)}
	_, _ = rand.Read(b.auth) // never fails
	path := "/push/" + rand.Text()
	b.Endpoint = s.url + path
	b.P256DH = base64.RawURLEncoding.EncodeToString(key.PublicKey().Bytes())
	b.Auth = base64.RawURLEncoding.EncodeToString(b.auth)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.browsers[path] = b
	return b
}

// Settings are those with which notifications sends pushes to this push service.
func (s *Service) Settings() []string {
	return []string{
		"NOTIFICATIONS_PUSH_SERVICES=" + s.Host, "NOTIFICATIONS_PUSH_NETWORKS=127.0.0.0/8", "NOTIFICATIONS_PUSH_CA=" + s.CA,
	}
}

// JSON returns what JSON.stringify makes of the browser's subscription.
func (b *Browser) JSON() map[string]any {
	return map[string]any{"endpoint": b.Endpoint, "expirationTime": nil, "keys": map[string]any{"p256dh": b.P256DH, "auth": b.Auth}}
}

// Received returns what the browser has received, oldest first. Of messages with one topic
// a browser that was offline would have received the last.
func (b *Browser) Received() []Push {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	return slices.Clone(b.got)
}

// Answer makes the push service answer the next requests for the browser like this.
func (b *Browser) Answer(answers ...Answer) {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	b.answers = append(b.answers, answers...)
}

// Recover makes the push service accept requests for the browser again.
func (b *Browser) Recover() {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	b.answers = nil
}

// Requests returns how many requests there were for the browser.
func (b *Browser) Requests() int {
	b.service.mu.Lock()
	defer b.service.mu.Unlock()
	return b.requests
}

func (s *Service) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.browsers[r.URL.Path]
	if !ok {
		s.problems = append(s.problems, "a request for a browser that never subscribed: "+r.URL.Path)
		http.NotFound(w, r)
		return
	}
	b.requests++
	if len(b.answers) > 0 {
		a := b.answers[0]
		b.answers = b.answers[1:]
		a.write(w)
		return
	}
	push, err := b.receive(r, body)
	if err != nil {
		s.problems = append(s.problems, err.Error())
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	b.got = append(b.got, push)
	w.WriteHeader(http.StatusCreated)
}

func (a Answer) write(w http.ResponseWriter) {
	if a.Hang {
		panic(http.ErrAbortHandler)
	}
	if a.RetryAfter != "" {
		w.Header().Set("Retry-After", a.RetryAfter)
	}
	if a.Location != "" {
		w.Header().Set("Location", a.Location)
	}
	http.Error(w, "as the test has asked for", a.Status)
}

// receive checks a request and decrypts its message.
func (b *Browser) receive(r *http.Request, body []byte) (Push, error) {
	h := r.Header
	if r.Method != http.MethodPost || h.Get("Content-Encoding") != "aes128gcm" || len(body) > 4096 {
		return Push{}, fmt.Errorf("a %s of %d bytes with the content coding %q", r.Method, len(body), h.Get("Content-Encoding"))
	}
	subject, err := b.checkToken(h.Get("Authorization"))
	if err != nil {
		return Push{}, err
	}
	p := Push{TTL: h.Get("TTL"), Urgency: h.Get("Urgency"), Topic: h.Get("Topic"), Subject: subject}
	if len(p.Topic) > 32 || p.TTL == "" || strings.Trim(p.TTL, "0123456789") != "" || !slices.Contains([]string{"low", "normal", "high"}, p.Urgency) {
		return Push{}, fmt.Errorf("TTL %q, Urgency %q, Topic %q", p.TTL, p.Urgency, p.Topic)
	}
	plain, err := decrypt(body, b.private, b.auth)
	if err != nil {
		return Push{}, err
	}
	p.Raw = string(plain)
	return p, json.Unmarshal(plain, &p)
}

// checkToken checks the VAPID token (RFC 8292) and returns its subject.
func (b *Browser) checkToken(authorization string) (string, error) {
	token, key, found := strings.Cut(strings.TrimPrefix(authorization, "vapid t="), ", k=")
	parts := strings.Split(token, ".")
	if !found || !strings.HasPrefix(authorization, "vapid t=") || len(parts) != 3 {
		return "", fmt.Errorf("not a VAPID header: %s", authorization)
	}
	if b.AppKey != "" && key != b.AppKey {
		return "", errors.New("signed with another key than that of the subscription")
	}
	point, err := base64.RawURLEncoding.DecodeString(key)
	if err != nil {
		return "", err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return "", err
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return "", fmt.Errorf("a signature of %d bytes: %w", len(signature), err)
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", errors.New("the signature is wrong")
	}
	return b.checkClaims(parts[0], parts[1])
}

func (b *Browser) checkClaims(header, claims string) (string, error) {
	var head struct{ Alg, Typ string }
	var c struct {
		Aud, Sub string
		Exp      int64
	}
	for text, into := range map[string]any{header: &head, claims: &c} {
		decoded, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(decoded, into); err != nil {
			return "", err
		}
	}
	expires, now := time.Unix(c.Exp, 0), b.now()
	switch {
	case head.Alg != "ES256":
		return "", fmt.Errorf("signed by %s", head.Alg)
	case c.Aud != b.service.url:
		return "", fmt.Errorf("the token is for %s, not %s", c.Aud, b.service.url)
	case !expires.After(now) || expires.After(now.Add(24*time.Hour)):
		return "", fmt.Errorf("the token expires at %s, and it is %s", expires, now)
	case !strings.HasPrefix(c.Sub, "mailto:") && !strings.HasPrefix(c.Sub, "https://"):
		return "", fmt.Errorf("the contact is %s", c.Sub)
	}
	return c.Sub, nil
}
