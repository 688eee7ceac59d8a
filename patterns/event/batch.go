package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"

	"troupe/platform/ascii"
)

// BatchContentType is the media type of several encoded envelopes: CloudEvents' batched
// content mode, which is a JSON array of them.
const BatchContentType = "application/cloudevents-batch+json"

// IsBatch reports whether a message with this media type holds several events.
func IsBatch(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return ascii.EqualFold(strings.TrimSpace(media), BatchContentType)
}

// Join returns encoded envelopes as a batch.
func Join(bodies [][]byte) []byte {
	size := 1 + len(bodies)
	for _, b := range bodies {
		size += len(b)
	}
	all := append(make([]byte, 0, size), '[')
	all = append(all, bytes.Join(bodies, []byte(","))...)
	return append(all, ']')
}

// Split returns the encoded envelopes of a batch, which are parts of body. It fails if body
// is not a JSON array; whether each element is an event is for Decode to find.
func Split(body []byte) (bodies [][]byte, err error) {
	if !json.Valid(body) {
		return nil, errors.New("batch of events is not JSON")
	}
	i := skipSpace(body, 0)
	if body[i] != '[' {
		return nil, errors.New("batch of events is not a JSON array")
	}
	i = skipSpace(body, i+1)
	for body[i] != ']' {
		end := valueEnd(body, i)
		bodies = append(bodies, body[i:end:end])
		if i = skipSpace(body, end); body[i] == ',' {
			i = skipSpace(body, i+1)
		}
	}
	return bodies, nil
}

// ID returns the id of an encoded envelope, "" if it is not one.
func ID(body []byte) string { return attribute(body, "id") }

// Recipient returns the one consumer that an encoded envelope is for, "" if it is for all.
func Recipient(body []byte) string {
	if !bytes.Contains(body, []byte(`"recipient"`)) { // nearly none has one
		return ""
	}
	return attribute(body, "recipient")
}

func attribute(body []byte, wanted string) (found string) {
	if !json.Valid(body) {
		return ""
	}
	err := eachMember(body, func(name, value []byte) (err error) {
		if string(name) == wanted {
			found, err = text(value)
		}
		return err
	})
	if err != nil {
		return ""
	}
	return found
}

// Traceparent returns the trace context of an envelope that Encode has encoded, "" if it has
// none. It costs much less than Decode.
func Traceparent(encoded []byte) string {
	_, after, found := bytes.Cut(encoded, []byte(`"traceparent":"`))
	end := bytes.IndexByte(after, '"')
	data := bytes.Index(encoded, []byte(`"data":`))
	if !found || end < 0 || data >= 0 && len(encoded)-len(after) > data { // a member of the payload may have that name
		return ""
	}
	return string(after[:end])
}
