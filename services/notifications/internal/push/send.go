package push

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	timeout      = 10 * time.Second
	maxReply     = 512             // bytes of an answer that are kept
	maxPause     = 24 * time.Hour  // the longest Retry-After that is obeyed
	defaultPause = 5 * time.Minute // after 429 and 406 without a Retry-After
)

// Message is a message to one browser, not encrypted yet.
type Message struct {
	Payload []byte
	TTL     time.Duration // how long the push service keeps it for a browser that is offline
	Urgency string        // low, normal or high
	Topic   string        // a later message with the topic replaces it at the push service; "": none does
}

// Outcome is what the answer of a push service means.
type Outcome int

// The outcomes.
const (
	Accepted Outcome = iota // the push service has the message
	Gone                    // the subscription has ended and must not be used again
	TooLarge                // the message must be smaller
	Limited                 // no message to this subscription until RetryAfter
	Refused                 // something is wrong with the shop's key, contact or request: an operator must look
	Failed                  // the push service did not answer, or has a failure of its own
)

// Answer is the answer of a push service.
type Answer struct {
	Outcome
	Reply      string        // for the log: the status and the beginning of the body, or the error
	RetryAfter time.Duration // zero: not stated
	NoContact  bool          // the push service could not be reached or did not answer
}

// Sender sends messages to push services.
type Sender struct {
	services Services
	contact  string
	client   *http.Client
	now      func() time.Time
}

// NewSender returns a sender. roots are the authorities of the push services; nil means
// those of the system.
func NewSender(s Services, contact string, roots *x509.CertPool, now func() time.Time) *Sender {
	client := s.policy.Client(timeout)
	if transport, ok := client.Transport.(*http.Transport); ok && roots != nil {
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &Sender{services: s, contact: contact, client: client, now: now}
}

// Close closes the connections that are not in use.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send sends a message, signed with the key that the subscription was made with.
func (s *Sender) Send(ctx context.Context, to Subscription, key Key, m Message) Answer {
	endpoint, err := s.services.Check(to.Endpoint)
	if err != nil {
		return Answer{Outcome: Refused, Reply: "the endpoint is no longer permitted: " + err.Error()}
	}
	request, err := s.request(ctx, endpoint, to, key, m)
	if err != nil {
		return Answer{Outcome: Refused, Reply: err.Error()}
	}
	response, err := s.client.Do(request)
	if err != nil {
		return Answer{Outcome: Failed, Reply: withoutURL(err), NoContact: true}
	}
	defer func() { _ = response.Body.Close() }() // nothing was written
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxReply))
	reply := response.Status
	if text := strings.ToValidUTF8(strings.TrimSpace(string(body)), ""); text != "" {
		reply += ": " + strings.ReplaceAll(text, "\x00", "")
	}
	return Answer{Outcome: outcomeOf(response.StatusCode), Reply: reply, RetryAfter: s.retryAfter(response)}
}

func (s *Sender) request(ctx context.Context, endpoint *url.URL, to Subscription, key Key, m Message) (*http.Request, error) {
	body, err := Encrypt(m.Payload, to.Keys)
	if err != nil {
		return nil, err
	}
	authorization, err := key.authorization(endpoint, s.contact, s.now())
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("address a push message: %w", err)
	}
	h := request.Header
	h.Set("Authorization", authorization)
	h.Set("Content-Encoding", "aes128gcm")
	h.Set("Content-Type", "application/octet-stream")
	h.Set("TTL", strconv.Itoa(int(m.TTL/time.Second)))
	h.Set("Urgency", m.Urgency)
	if m.Topic != "" {
		h.Set("Topic", m.Topic)
	}
	return request, nil
}

// outcomeOf returns what a status means. A redirect is not followed: it would lead past
// the list of push services.
func outcomeOf(status int) Outcome {
	switch {
	case status >= 200 && status < 300:
		return Accepted
	case status == http.StatusNotFound || status == http.StatusGone:
		return Gone
	case status == http.StatusRequestEntityTooLarge:
		return TooLarge
	case status == http.StatusTooManyRequests || status == http.StatusNotAcceptable: // the latter by Windows
		return Limited
	case status >= 500 || status == http.StatusRequestTimeout:
		return Failed
	}
	return Refused
}

// retryAfter returns how long the push service asks to wait.
func (s *Sender) retryAfter(r *http.Response) time.Duration {
	var wait time.Duration
	value := r.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		wait = time.Duration(min(seconds, int(maxPause/time.Second))) * time.Second
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(s.now())
	}
	if wait <= 0 && outcomeOf(r.StatusCode) == Limited {
		return defaultPause
	}
	return min(max(wait, 0), maxPause)
}

// withoutURL returns the text of an error of the client without the endpoint, which only
// the shop and the browser may know.
func withoutURL(err error) string {
	if failure, ok := errors.AsType[*url.Error](err); ok {
		return failure.Err.Error()
	}
	return err.Error()
}
