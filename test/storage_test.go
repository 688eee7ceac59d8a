package test

import (
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
)

// limited returns the program, run with a limit of the size of its files. An operator can
// lift the limit while it runs, as one can clear a disk.
func limited(t *testing.T, kilobytes int) string {
	t.Helper()
	binary, err := program()
	require.NoError(t, err)
	script := filepath.Join(t.TempDir(), "troupe")
	text := "#!/bin/sh\nulimit -S -f " + strconv.Itoa(2*kilobytes) + " && exec " + binary + ` "$@"` + "\n" // in blocks of 512 bytes
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700))
	return script
}

// placeUntilRefused places orders until one is refused, and returns the ids of those that
// were accepted, and the refusal.
func placeUntilRefused(t *testing.T, c *client.Client) (accepted []string, refusal *client.Problem) {
	t.Helper()
	for len(accepted) < 5000 {
		placed, err := c.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		if err != nil {
			require.True(t, errors.As(err, &refusal), "%v", err)
			return accepted, refusal
		}
		accepted = append(accepted, placed.ID)
	}
	require.Fail(t, "the limit is never reached")
	return nil, nil
}

// The disk is full, or a quota or the limit of a file's size is reached, while customers
// order. What was accepted is kept, reading works, and all goes on when there is room.
func TestAFullDiskRefusesOrdersAndLosesNone(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("prlimit"); err != nil && os.Getenv("CI") == "" {
		t.Skip("prlimit of util-linux is missing")
	}
	s := startSystem(t, cluster.Config{
		Kind: cluster.OneProcess, Program: limited(t, 3000), Data: filepath.Join(t.TempDir(), "data"),
		Settings: []string{"ORDERS_DEADLINE=10m"},
	})
	s.addProduct(t, "lantern", 1299, 100_000)
	ada := s.newCustomer(t)
	accepted, refusal := placeUntilRefused(t, ada)
	require.Equal(t, 503, refusal.Status)
	require.True(t, strings.HasPrefix(refusal.Code, "storage_"), refusal.Code)
	for range 30 { // more than opens the circuit, if it counted as a failure
		placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		if err == nil { // there may be room for a smaller commit
			accepted = append(accepted, placed.ID)
		}
		_, err = ada.Order(t.Context(), accepted[0])
		require.NoError(t, err, "reading works")
	}
	pid := strconv.Itoa(s.PID(cluster.AllInOne))
	out, err := exec.CommandContext(t.Context(), "prlimit", "--pid", pid, "--fsize=unlimited").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Eventually(t, func() bool {
		_, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		return err == nil
	}, timeout, pollInterval, "it recovers by itself")
	for _, id := range accepted {
		require.Equal(t, "confirmed", s.awaitEvent(t, ada, id, "order.paid.v1").Status)
	}
}

// Another program, such as an operator's shell or a copy that was started by hand, holds the
// lock of a file for longer than a request may take. Orders are refused at once and for certain,
// not with 504, after which they may have been placed.
func TestAFileThatAnotherProgramHasLockedRefusesOrdersForATime(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Data: data})
	s.addProduct(t, "lantern", 1299, 100)
	ada := s.newCustomer(t)
	first, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	s.awaitEvent(t, ada, first.ID, "order.paid.v1")

	other := openDatabase(t, filepath.Join(data, "orders.db"))
	require.Eventually(t, func() bool { // orders may be writing at this moment
		_, err := other.ExecContext(t.Context(), "BEGIN IMMEDIATE")
		return err == nil
	}, timeout, 5*time.Millisecond)
	for range 4 {
		began := time.Now()
		_, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
		require.True(t, isRefusal(err, "storage_busy"), "%v", err)
		require.Less(t, time.Since(began), 10*time.Second)
		_, err = ada.Order(t.Context(), first.ID)
		require.NoError(t, err, "reading works")
	}
	_, err = other.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	second, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	require.Equal(t, "confirmed", s.awaitEvent(t, ada, second.ID, "order.paid.v1").Status)
}

// openDatabase opens a file as another program would.
func openDatabase(t *testing.T, file string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return conn
}
