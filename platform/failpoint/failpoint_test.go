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
	require.IsNonDecreasing(t, failpoint.Names())
	read.Hit() // nothing happens without TROUPE_FAIL_AT
}

func TestANameMustBeNewAndOfTheForm(t *testing.T) {
	t.Parallel()
	for title, name := range map[string]string{
		"taken":               read.String(),
		"without a package":   "read, not written",
		"with a count":        "test: read#3",
		"without a statement": "test: ",
		"empty":               "",
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			require.PanicsWithValue(t, "fail point \""+name+"\": the name must be new, in the form \"package: what has happened\"",
				func() { failpoint.New(name) })
		})
	}
}
