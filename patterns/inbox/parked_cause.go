package inbox

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// maxCause is the greatest length of a cause, in bytes.
const maxCause = 300

// variable are the parts of an error text that differ from event to event although the
// cause is the same, with what stands for them. The order matters: an address has numbers.
var variable = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}`), "ID"},
	{regexp.MustCompile(`[\w.+-]+@[\w-]+\.[\w.-]+`), "ADDRESS"},
	{regexp.MustCompile(`\[[0-9a-fA-F:]*:[0-9a-fA-F:.]*\](:\d+)?`), "ADDRESS"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?`), "ADDRESS"},
	{regexp.MustCompile(`\b0x[0-9a-fA-F]+`), "ID"},
	{regexp.MustCompile(`\b[0-9a-f]*(\d[a-f]|[a-f]\d)[0-9a-f]{7,}\b`), "ID"},
	{regexp.MustCompile(`\b\d+([.,:]\d+)*`), "N"},
}

// Cause returns what an error has in common with others of the same cause: its first line
// without ids, numbers and addresses.
func Cause(text string) string {
	cause, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	for _, v := range variable {
		cause = v.pattern.ReplaceAllString(cause, v.name)
	}
	if len(cause) > maxCause {
		cause = strings.ToValidUTF8(cause[:maxCause], "")
	}
	return cause
}

// groupID returns the id of the group of the events of a type in a state that failed for
// the same cause.
func groupID(eventType, state, cause string) string {
	sum := sha256.Sum256([]byte(eventType + "\n" + state + "\n" + cause))
	return hex.EncodeToString(sum[:8])
}
