package pages_test

import "testing"

func TestTheGuideIsTrue(t *testing.T) {
	t.Parallel()
	slow(t)
	carryOut(t, "../GUIDE.md")
}
