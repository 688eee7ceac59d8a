package servicetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/sqldb"
)

// Audited returns the service's audit log, oldest entry first, as lines of the form
// "actor action outcome target".
func (h *Harness) Audited(t *testing.T) []string {
	t.Helper()
	lines, err := sqldb.All(t.Context(), h.DB, func(r sqldb.Row) (string, error) {
		var columns [4]string
		err := r.Scan(&columns[0], &columns[1], &columns[2], &columns[3])
		return strings.Join(columns[:], " "), err
	}, "SELECT actor, action, outcome, target FROM audit_log ORDER BY id")
	require.NoError(t, err)
	return lines
}
