package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"troupe/platform/safedial"
)

const (
	replyBytes = 500      // of a response that are kept
	drainBytes = 16 << 10 // of a response that are read, so that the connection can be kept
)

// Send makes one attempt. The client limits how long it takes; see safedial.Policy.
func Send(ctx context.Context, client *http.Client, m Message) Response {
	began := time.Now()
	r, err := send(ctx, client, m)
	if err != nil {
		r = Response{Reply: explain(err)}
	}
	r.Took = time.Since(began)
	return r
}

func send(ctx context.Context, client *http.Client, m Message) (Response, error) {
	signature, err := m.Signature()
	if err != nil {
		return Response{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return Response{}, err
	}
	request.Header = http.Header{
		"Content-Type": {"application/cloudevents+json"}, "User-Agent": {"Troupe-Webhooks/1"},
		"Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(m.Time.Unix(), 10)}, "Webhook-Signature": {signature},
	}
	response, err := client.Do(request)
	if err != nil {
		return Response{}, err
	}
	defer response.Body.Close()
	head, _ := io.ReadAll(io.LimitReader(response.Body, replyBytes)) // the status counts, whatever becomes of the body
	_, _ = io.CopyN(io.Discard, response.Body, drainBytes)
	r := Response{Status: response.StatusCode, RetryAfter: retryAfter(response.Header, m.Time)}
	if !r.Accepted() {
		r.Reply = clean(string(head))
	}
	if response.StatusCode/100 == 3 {
		r.Reply = "redirects are not followed; change the URL of the webhook to " + clean(response.Header.Get("Location"))
	}
	return r, nil
}

// explain returns a sentence for the operator about an attempt without a response.
func explain(err error) string {
	if errors.Is(err, safedial.ErrNotPublic) {
		return "the name resolves to an address in a private network, which is not called; NOTIFICATIONS_WEBHOOK_NETWORKS lists exceptions"
	}
	if cause := errors.Unwrap(err); cause != nil { // without the method and the URL
		err = cause
	}
	return clean(fmt.Sprintf("no response: %v", err))
}

// clean makes text from outside storable, and short.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > replyBytes {
		s = strings.ToValidUTF8(s[:replyBytes], "")
	}
	return strings.TrimSpace(s)
}
