package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheProgramLinksNoTestCode(t *testing.T) {
	t.Parallel()
	linked, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	require.Contains(t, string(linked), "troupe/app\n", "the list is not that of this program")
	for path := range strings.FieldsSeq(string(linked)) {
		require.NotRegexp(t, `^troupe/(test|bench)\b|^testing$|^troupe/.*test$`, path)
	}
}
