package test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/client"
	"troupe/test/cluster"
	"troupe/test/pushservice"
)

// chromiumPage is the push page in a real browser.
type chromiumPage struct {
	pushes io.Writer
	prints *bufio.Scanner
}

// shown is what the browser shows for a push.
type shown struct {
	Shown []struct {
		Title, Body, Tag string
		Data             struct{ Order string }
	}
	Left       []any  // the notifications after the click
	Listed     string // the newest entry on the page
	Order      string // the order that the click has opened
	Violations []string
}

// openPushPage signs in at the push page and subscribes the browser.
func openPushPage(t *testing.T, s *system, scripts, email string, b *pushservice.Browser) (page chromiumPage, key string) {
	t.Helper()
	subscription, err := json.Marshal(b.JSON())
	require.NoError(t, err)
	ctx := context.WithoutCancel(t.Context()) // it ends with its input, after the test
	command := exec.CommandContext(ctx, "node", filepath.Join(scripts, "browser.mjs"))
	command.Env = append(command.Environ(), "GATEWAY="+s.URL("gateway"), "EMAIL="+email, "PASSWORD="+password, "SUBSCRIPTION="+string(subscription))
	command.Stderr = t.Output()
	input, err := command.StdinPipe()
	require.NoError(t, err)
	output, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	t.Cleanup(func() {
		require.NoError(t, input.Close())
		require.NoError(t, command.Wait())
	})
	page = chromiumPage{input, bufio.NewScanner(output)}
	var subscribed struct{ Key string }
	page.read(t, &subscribed)
	return page, subscribed.Key
}

// receives delivers a push to the browser's service worker, and clicks what it shows.
func (p chromiumPage) receives(t *testing.T, payload string) (s shown) {
	t.Helper()
	_, err := io.WriteString(p.pushes, payload+"\n")
	require.NoError(t, err)
	p.read(t, &s)
	return s
}

func (p chromiumPage) read(t *testing.T, into any) {
	t.Helper()
	require.True(t, p.prints.Scan(), "the browser ended")
	require.NoError(t, json.Unmarshal(p.prints.Bytes(), into), "%s", p.prints.Bytes())
}

// The push page works in Chromium: it subscribes, its service worker shows what was
// encrypted for it, and a click opens the order.
func TestChromiumShowsAPushAndOpensTheOrder(t *testing.T) {
	t.Parallel()
	scripts := pushservice.Scripts(t)
	p := pushservice.Start(t)
	s := startSystem(t, cluster.Config{Kind: cluster.InTest, Settings: p.Settings()})
	s.addProduct(t, "lantern", 1299, 10)
	const email = "ada@example.com"
	ada, err := client.New(s.URL("gateway")).Register(t.Context(), email, password, "Ada")
	require.NoError(t, err)
	var key struct {
		PublicKey string `json:"public_key"`
	}
	require.NoError(t, ada.Get(t.Context(), "/push/key", &key))
	b := p.Subscribe(t, key.PublicKey, time.Now)
	page, subscribedWith := openPushPage(t, s, scripts, email, b)
	require.Equal(t, key.PublicKey, subscribedWith)

	placed, err := ada.PlaceOrder(t.Context(), "pm_card_visa", client.Item{SKU: "lantern", Quantity: 1})
	require.NoError(t, err)
	push := awaitPush(t, b, "order.paid", placed.ID)
	got := page.receives(t, push.Raw)
	require.Empty(t, got.Violations)
	require.Len(t, got.Shown, 1)
	require.Equal(t, "Your order has been paid", got.Shown[0].Title)
	require.Contains(t, got.Shown[0].Body, "12.99 EUR")
	require.Equal(t, push.Tag, got.Shown[0].Tag)
	require.Equal(t, placed.ID, got.Shown[0].Data.Order)
	require.Empty(t, got.Left)
	require.Contains(t, got.Listed, "Your order has been paid")
	require.Contains(t, got.Order, `"status": "confirmed"`)

	small := page.receives(t, `{"kind":"order.shipped","tag":"`+push.Tag+`"}`)
	require.Equal(t, "News about your order", small.Shown[0].Title, "a push without a text")
}
