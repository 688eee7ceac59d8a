package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestLandedMigrationsAreUnchanged(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	kept, err := os.ReadFile("../../" + migrationSums)
	require.NoError(t, err)
	_, err = sumsOf(root, kept)
	require.NoError(t, err)
}

func TestAnEditedMigrationIsRefused(t *testing.T) {
	t.Parallel()
	const first, second = "services/shop/internal/store/migrations/01001_shop.sql", "services/shop/internal/store/migrations/01002_more.sql"
	tree := fstest.MapFS{first: {Data: []byte("CREATE TABLE a (n INT)")}}
	kept, err := sumsOf(tree, nil)
	require.NoError(t, err)
	require.Contains(t, string(kept), "  "+first+"\n")

	tree[second] = &fstest.MapFile{Data: []byte("CREATE TABLE b (n INT)")}
	both, err := sumsOf(tree, kept)
	require.NoError(t, err)
	require.Len(t, strings.Split(strings.TrimSpace(string(both)), "\n"), 2)
	require.Contains(t, string(both), strings.TrimSpace(string(kept)))

	tree[first] = &fstest.MapFile{Data: []byte("CREATE TABLE a (n BIGINT)")}
	_, err = sumsOf(tree, both)
	require.ErrorContains(t, err, first+" has been edited")

	delete(tree, first)
	_, err = sumsOf(tree, both)
	require.ErrorContains(t, err, first+" has been removed")

	delete(tree, second)
	none, err := sumsOf(tree, both)
	require.NoError(t, err, "the whole service is gone")
	require.Empty(t, none)
}
