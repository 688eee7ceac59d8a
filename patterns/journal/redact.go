package journal

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"regexp"
	"strings"

	"troupe/platform/ascii"
)

// redacted stands in the place of what is secret or personal.
const redacted = "[redacted]"

// personal are parts of the names of members whose values are secret or about a person.
var personal = []string{
	"address", "auth", "birth", "card", "city", "company", "cookie", "credential", "device", "email", "first_name", "iban",
	"last_name", "line1", "line2", "mail", "method", "name", "passw", "phone", "postal", "secret", "street", "token", "user_agent",
	"userinfo", "zip",
}

var (
	mailAddress = regexp.MustCompile(`[^\s<>"'(),:;=@]+@[^\s<>"'(),:;=@]+`)
	// credential finds JWTs, tokens of payment providers and the passwords of URLs.
	credential = regexp.MustCompile(`eyJ[\w-]+\.[\w-]*\.[\w-]*|\b(?:pm|tok|sk|whsec)_\w+|(://)[^\s/@]+@`)
)

// personalAttributes are attributes of spans that tell who the client is.
var personalAttributes = map[string]bool{
	"client.address": true, "client.port": true, "network.peer.address": true, "user_agent.original": true, "url.query": true,
}

// redact removes from a record what is secret or personal.
func (r *Record) redact() {
	switch {
	case r.Event != nil:
		r.Event.Data = RedactJSON(r.Event.Data)
	case r.Attempt != nil:
		r.Attempt.Error = RedactText(r.Attempt.Error)
	case r.Span != nil:
		r.Span.Error = RedactText(r.Span.Error)
		r.Span.Attributes = redactAttributes(r.Span.Attributes)
	case r.Breaker != nil:
		r.Breaker.Reason = RedactText(r.Breaker.Reason)
	case r.Line != nil:
		r.Line.Text = RedactText(r.Line.Text)
		redactDetails(r.Line.Details)
	}
}

// redactDetails removes what is secret or personal from the attributes of a line.
func redactDetails(details map[string]string) {
	for name, value := range details {
		if details[name] = RedactText(value); isPersonal(name) || isAddress(value) {
			details[name] = redacted
		}
	}
}

// isAddress reports whether a text is an address of the Internet, with or without a port.
func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	_, portErr := netip.ParseAddrPort(text)
	return err == nil || portErr == nil
}

// redactAttributes returns the attributes of a span without what is secret or personal.
// The span may have other readers, so its own are left as they are.
func redactAttributes(attributes map[string]string) map[string]string {
	clean := make(map[string]string, len(attributes))
	for name, value := range attributes {
		if clean[name] = RedactText(value); personalAttributes[name] {
			clean[name] = redacted
		}
	}
	return clean
}

// RedactText returns a text for operators without mail addresses and credentials.
func RedactText(text string) string {
	if !strings.ContainsAny(text, "@_") && !strings.Contains(text, "eyJ") { // most texts: neither pattern can match
		return text
	}
	return mailAddress.ReplaceAllString(credential.ReplaceAllString(text, "${1}"+redacted), redacted)
}

// RedactJSON returns a payload without the values of members whose names say that they are
// secret or personal, and without texts that look so. It returns nil for what is no JSON.
func RedactJSON(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	var value any
	in := json.NewDecoder(bytes.NewReader(data))
	in.UseNumber()
	if in.Decode(&value) != nil {
		return nil
	}
	clean, err := json.Marshal(redactValue(value))
	if err != nil {
		return nil
	}
	return clean
}

func redactValue(value any) any {
	switch v := value.(type) {
	case map[string]any:
		_, isProduct := v["sku"] // whose name is not a person's
		for name, member := range v {
			if isPersonal(name) && member != nil && (!isProduct || name != "name") {
				v[name] = redacted
			} else {
				v[name] = redactValue(member)
			}
		}
	case []any:
		for i, item := range v {
			v[i] = redactValue(item)
		}
	case string:
		if isAddress(v) {
			return redacted
		}
		return RedactText(v)
	}
	return value
}

// isPersonal reports whether the values of a member are secret or personal, by its name.
func isPersonal(name string) bool {
	name = ascii.Lower(name)
	if name == "ip" || strings.HasSuffix(name, "_ip") || strings.HasSuffix(name, "_key") {
		return true
	}
	for _, part := range personal {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
