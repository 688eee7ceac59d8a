package pages_test

import (
	"os"
	"os/exec"
	"testing"
)

func TestTheTutorialIsTrue(t *testing.T) {
	t.Parallel()
	slow(t)
	if _, err := exec.LookPath("python3"); err != nil && os.Getenv("CI") != "true" {
		t.Skip("the monolith of the tutorial needs python3, which is not installed here")
	}
	carryOut(t, "../TUTORIAL.md")
}
