package failpoint_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/failpoint"
)

var read = failpoint.New("test: read, not written")

func TestADeclaredPointIsListed(t *testing.T) {
	t.Parallel()
	require.Contains(t, failpoint.Names(), read.String())
	read.Hit() // without TROUPE_FAIL_AT nothing happens
}

func TestANameIsNewAndOfTheForm(t *testing.T) {
	t.Parallel()
	for title, name := range map[string]string{
		"taken":                read.String(),
		"without a package":    "read, not written",
		"with a count":         "test: read#3",
		"with nothing said of": "test: ",
	} {
		require.Panics(t, func() { failpoint.New(name) }, title)
	}
}
