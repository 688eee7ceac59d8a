// Package webhook holds the rules for sending events to other systems of the shop by HTTP,
// after the Standard Webhooks specification: how a message is signed, what a response
// means, and when the next attempt is due. It is pure but for Send.
package webhook

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"troupe/patterns/retry"
	"troupe/services/notifications/internal/delivery"
)

const (
	// MaxAge is how long an event is retried. An endpoint that fails for as long is
	// disabled.
	MaxAge = 72 * time.Hour
	// SecretOverlap is how long messages are signed with the previous secret too after a
	// rotation.
	SecretOverlap = 24 * time.Hour
	// OrderWait is how long an event waits for an earlier one about the same order. After
	// that it is sent out of order.
	OrderWait = time.Hour

	secretPrefix = "whsec_"
	secretBytes  = 32
	longestPause = 24 * time.Hour // that a Retry-After may ask for
)

// backoff is the wait between attempts: 5 s after the first, doubled up to 8 hours; half
// of it is random.
var backoff = retry.Backoff{Base: 5 * time.Second, Cap: 8 * time.Hour, Jitter: 0.5}

// NewSecret returns a new secret for signing messages.
func NewSecret() string {
	key := make([]byte, secretBytes)
	_, _ = rand.Read(key) // never fails
	return secretPrefix + base64.StdEncoding.EncodeToString(key)
}

// Message is one attempt to send an event.
type Message struct {
	ID      string // of the event: the same in every attempt
	Time    time.Time
	Body    []byte
	URL     string
	Secrets []string // that sign it: the present one, and the previous one during a rotation
}

// Signature returns the value of the header webhook-signature: a signature for each
// secret.
func (m Message) Signature() (string, error) {
	signatures := make([]string, len(m.Secrets))
	for i, secret := range m.Secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, secretPrefix))
		if err != nil {
			return "", errors.New("the secret of the webhook is not base64")
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.", m.ID, m.Time.Unix())
		mac.Write(m.Body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " "), nil
}

// Response is how an attempt ended.
type Response struct {
	Status     int // 0: no response
	Reply      string
	RetryAfter time.Duration // that the endpoint asked for; 0: it did not
	Took       time.Duration
}

// Accepted reports whether the endpoint has the event.
func (r Response) Accepted() bool { return r.Status/100 == 2 }

// Gone reports whether the endpoint wants no further events.
func (r Response) Gone() bool { return r.Status == http.StatusGone }

// IsSick reports whether the response shows that the endpoint cannot take other events
// either. Other refusals may be about this event.
func (r Response) IsSick() bool {
	return r.Status == 0 || r.Status >= http.StatusInternalServerError || r.Status == http.StatusTooManyRequests
}

// Next returns the state of a delivery after its n-th attempt (from 1), and when it is due
// again: the zero time if it is not.
func Next(id string, n int, r Response, now, expires time.Time) (delivery.State, time.Time) {
	switch {
	case r.Accepted():
		return delivery.Sent, time.Time{}
	case r.Gone():
		return delivery.Rejected, time.Time{}
	}
	at := now.Add(max(backoff.Wait(n, random(id, n)), min(r.RetryAfter, longestPause)))
	if !at.Before(expires) {
		return delivery.Expired, time.Time{}
	}
	return delivery.Deferred, at
}

// random returns a number in [0, 1) that is the same for the same arguments.
func random(id string, n int) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %d", id, n)
	return float64(h.Sum64()%(1<<20)) / (1 << 20)
}

// retryAfter returns the wait that a response asks for in seconds or as a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 32); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}
