package sanitize

import (
	"net/http"
	"strings"

	"troupe/platform/ascii"
)

// report is what one proxy reports about the request that it received.
type report struct{ client, proto, host, port string }

// longestChain is the most proxies that are followed. Longer chains are forged.
const longestChain = 32

// reports returns what the proxies report, in the order in which the request passed
// through them.
func reports(h http.Header, d Dialect) []report {
	if d == Forwarded {
		return parseForwarded(h["Forwarded"])
	}
	clients := items(h["X-Forwarded-For"])
	chain := make([]report, max(1, len(clients))) // one for the nearest proxy, even if it names no client
	for i, client := range clients {
		chain[i].client = client
	}
	fill(chain, items(h["X-Forwarded-Proto"]), func(r *report, v string) { r.proto = v })
	fill(chain, items(h["X-Forwarded-Host"]), func(r *report, v string) { r.host = v })
	fill(chain, items(h["X-Forwarded-Port"]), func(r *report, v string) { r.port = v })
	return chain
}

// fill assigns the values of a list beside X-Forwarded-For. If there are as many values
// as proxies, each belongs to one of them; otherwise only the last is certain to come
// from the nearest proxy.
func fill(chain []report, values []string, set func(*report, string)) {
	if len(values) == 0 {
		return
	}
	if len(values) != len(chain) {
		set(&chain[len(chain)-1], values[len(values)-1])
		return
	}
	for i, v := range values {
		set(&chain[i], v)
	}
}

// items returns the last members of a list that may be spread over several header lines.
func items(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	list := strings.Split(strings.Join(lines, ","), ",")
	for i, item := range list {
		list[i] = strings.TrimSpace(item)
	}
	return list[max(0, len(list)-longestChain):]
}

// parseForwarded returns the elements of Forwarded (RFC 7239, section 4). An element that
// is malformed has no client, so the chain ends there.
func parseForwarded(lines []string) []report {
	var chain []report
	for element := range splitOutsideQuotes(strings.Join(lines, ","), ',') {
		var r report
		for pair := range splitOutsideQuotes(element, ';') {
			name, value, ok := strings.Cut(pair, "=")
			if !ok && strings.TrimSpace(pair) != "" {
				r = report{}
				break
			}
			r.set(ascii.Lower(strings.TrimSpace(name)), unquote(strings.TrimSpace(value)))
		}
		chain = append(chain, r)
	}
	return chain[max(0, len(chain)-longestChain):]
}

func (r *report) set(name, value string) {
	switch name {
	case "for":
		r.client = value
	case "proto":
		r.proto = value
	case "host":
		r.host = value
	}
}

// splitOutsideQuotes yields the parts of s between separators that are not in a quoted
// string (RFC 9110, section 5.6.4).
func splitOutsideQuotes(s string, separator byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted, start := false, 0
		for i := 0; i < len(s); i++ {
			switch c := s[i]; {
			case c == '\\' && quoted:
				i++
			case c == '"':
				quoted = !quoted
			case c == separator && !quoted:
				if !yield(s[start:i]) {
					return
				}
				start = i + 1
			}
		}
		yield(s[start:])
	}
}

// unquote returns the content of a quoted string, or a token as it is.
func unquote(s string) string {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return s
	}
	s = s[1 : len(s)-1]
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
