package ui

import (
	"bufio"
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// scripts returns the folder in which scripts/console has installed Chromium's driver, and
// skips the test without it.
func scripts(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("CONSOLE_SCRIPTS")
	if folder == "" {
		t.Skip("needs Chromium: run scripts/console")
	}
	return folder
}

// inBrowser runs a script against the pages with the fixtures.
func inBrowser(t *testing.T, script string, env ...string) {
	t.Helper()
	folder := scripts(t)
	server := httptest.NewServer(newFixtures(t).handler())
	t.Cleanup(server.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join(folder, script))
	cmd.Env = append(append(os.Environ(), "CONSOLE="+server.URL), env...)
	output, err := cmd.StdoutPipe()
	require.NoError(t, err)
	cmd.Stderr = cmd.Stdout
	require.NoError(t, cmd.Start())
	for lines := bufio.NewScanner(output); lines.Scan(); {
		t.Log(lines.Text())
	}
	require.NoError(t, cmd.Wait(), script)
}

// The pages in a real browser: no error, no request that leaves the origin, nothing that
// axe finds, usable with the keyboard alone.
func TestPagesInChromium(t *testing.T) {
	t.Parallel()
	inBrowser(t, "pages.mjs")
}

// A large order and a fast tail of events: bounded numbers of elements, steady memory.
func TestLoadInChromium(t *testing.T) {
	t.Parallel()
	inBrowser(t, "load.mjs")
}

func TestScreenshots(t *testing.T) {
	folder := os.Getenv("CONSOLE_SCREENSHOTS")
	if folder == "" {
		t.Skip("writes pictures: run scripts/console screenshots")
	}
	inBrowser(t, "screenshots.mjs", "FOLDER="+folder)
}
