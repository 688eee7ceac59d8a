package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"
	"unicode/utf8"

	"troupe/platform/timestamp"
)

// wire is an Envelope in the JSON format of CloudEvents.
type wire struct {
	SpecVersion     string          `json:"specversion"`
	DataContentType string          `json:"datacontenttype"`
	ID              string          `json:"id"`
	Source          string          `json:"source"`
	Type            string          `json:"type"`
	DataSchema      string          `json:"dataschema,omitempty"`
	Subject         string          `json:"subject,omitempty"`
	Time            timestamp.Time  `json:"time"`
	CorrelationID   string          `json:"correlationid,omitempty"`
	CausationID     string          `json:"causationid,omitempty"`
	Traceparent     string          `json:"traceparent,omitempty"`
	Recipient       string          `json:"recipient,omitempty"`
	Data            json.RawMessage `json:"data"`
}

// Encode returns the structured-mode JSON of e. It fails if e.Data is not JSON.
func Encode(e Envelope) ([]byte, error) {
	body, err := json.Marshal(wire{
		SpecVersion: "1.0", DataContentType: "application/json",
		ID: e.ID, Source: e.Source, Type: e.Type, DataSchema: e.DataSchema, Subject: e.Subject, Time: timestamp.Of(e.Time),
		CorrelationID: e.CorrelationID, CausationID: e.CausationID, Traceparent: e.Traceparent, Recipient: e.Recipient, Data: e.Data,
	})
	if err != nil {
		return nil, fmt.Errorf("encode event %s (%s): %w", e.ID, e.Type, err)
	}
	return body, nil
}

// Decode reads structured-mode JSON. It fails if a required attribute is
// missing or could not be a key in a database, so that every accepted event has a
// usable id. Extensions that Envelope does not have are dropped. The Data of the
// result is a part of body, which the caller must not change afterwards.
//
// Every consumer decodes every event, so Decode scans the attributes by hand. That
// takes half the time of encoding/json with a struct, and it distinguishes "id"
// from "ID", as CloudEvents requires. Before that, encoding/json has checked that
// body is valid JSON; the scanner relies on it.
func Decode(body []byte) (Envelope, error) {
	if !json.Valid(body) {
		return Envelope{}, errors.New("event is not JSON")
	}
	var e Envelope
	var version string
	err := eachMember(body, func(name, value []byte) (err error) {
		switch string(name) {
		case "specversion":
			version, err = text(value)
		case "datacontenttype":
			err = checkMediaType(value)
		case "data":
			e.Data = value
		case "data_base64":
			err = errors.New("is not supported: data must be JSON")
		default:
			err = e.set(name, value)
		}
		if err != nil {
			return fmt.Errorf("event attribute %s %w", name, err)
		}
		return nil
	})
	if err != nil {
		return Envelope{}, err
	}
	return e, check(e, version)
}

// set sets one of the attributes that are strings or times, and ignores others.
func (e *Envelope) set(name, value []byte) (err error) {
	switch string(name) {
	case "id":
		e.ID, err = text(value)
	case "source":
		e.Source, err = text(value)
	case "type":
		e.Type, err = text(value)
	case "dataschema":
		e.DataSchema, err = text(value)
	case "subject":
		e.Subject, err = text(value)
	case "correlationid":
		e.CorrelationID, err = text(value)
	case "causationid":
		e.CausationID, err = text(value)
	case "traceparent":
		e.Traceparent, err = text(value)
	case "recipient":
		e.Recipient, err = text(value)
	case "time":
		e.Time, err = timeOf(value)
	}
	return err
}

// text returns the value of a JSON string; null is the empty string.
func text(value []byte) (string, error) {
	switch {
	case value[0] == 'n':
		return "", nil
	case value[0] != '"':
		return "", errors.New("is not a string")
	}
	inner := value[1 : len(value)-1]
	for _, c := range inner {
		if c == '\\' || c >= utf8.RuneSelf {
			var s string
			err := json.Unmarshal(value, &s)
			return s, err
		}
	}
	return string(inner), nil
}

func timeOf(value []byte) (t time.Time, err error) {
	s, err := text(value)
	if err != nil || s == "" {
		return t, err
	}
	if err := t.UnmarshalText([]byte(s)); err != nil {
		return t, errors.New("is not an RFC 3339 time")
	}
	if _, err := timestamp.Of(t).MarshalText(); err != nil {
		return t, errors.New("is not an RFC 3339 time in UTC")
	}
	return t, nil
}

func checkMediaType(value []byte) error {
	s, err := text(value)
	if err != nil || s == "" || s == "application/json" {
		return err
	}
	media, _, err := mime.ParseMediaType(s)
	if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
		return fmt.Errorf("is %q: data must be JSON", s)
	}
	return nil
}

// eachMember calls f with each name and value of an object. Its input must be valid
// JSON. Escapes in a name are not resolved: no attribute needs them.
func eachMember(valid []byte, f func(name, value []byte) error) error {
	i := skipSpace(valid, 0)
	if valid[i] != '{' {
		return errors.New("event is not a JSON object")
	}
	i = skipSpace(valid, i+1)
	for valid[i] != '}' {
		end := stringEnd(valid, i)
		name := valid[i+1 : end-1]
		i = skipSpace(valid, skipSpace(valid, end)+1) // the colon between
		end = valueEnd(valid, i)
		if err := f(name, valid[i:end]); err != nil {
			return err
		}
		if i = skipSpace(valid, end); valid[i] == ',' {
			i = skipSpace(valid, i+1)
		}
	}
	return nil
}

func skipSpace(b []byte, i int) int {
	for b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t' {
		i++
	}
	return i
}

// valueEnd returns the index after the value that starts at i.
func valueEnd(b []byte, i int) int {
	switch b[i] {
	case '"':
		return stringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	for !strings.ContainsRune(",}] \n\r\t", rune(b[i])) {
		i++
	}
	return i
}

func nestedEnd(b []byte, i int) int {
	for depth := 0; ; {
		switch b[i] {
		case '"':
			i = stringEnd(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		i++
		if depth == 0 {
			return i
		}
	}
}

func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i + 1
}
