package pushservice

import (
	"os"
	"testing"
)

// Scripts returns the folder of the installed scripts of tools/webpush. It skips the test
// if scripts/webpush has not installed them.
func Scripts(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("WEBPUSH_SCRIPTS")
	if folder == "" {
		t.Skip("WEBPUSH_SCRIPTS is not set: run scripts/webpush, which installs what this test compares with")
	}
	return folder
}
