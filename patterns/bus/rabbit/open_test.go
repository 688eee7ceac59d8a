package rabbit_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"troupe/patterns/bus"
	"troupe/patterns/bus/rabbit"
	"troupe/patterns/bus/rabbit/rabbittest"
)

// A problem that a retry cannot solve stops the start, with a sentence that says what to do.
func TestOpenExplainsPermanentErrors(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(t *testing.T, url string) string // to the setting or to the broker; returns the URL to use
		want   string
	}{
		"wrong password":      {wrongPassword, "RabbitMQ refuses user or password: check AMQP_URL"},
		"no vhost":            {noVhost, "RabbitMQ has no such vhost for this user: check the path of AMQP_URL"},
		"other vhost":         {otherVhost, "RabbitMQ has no such vhost for this user: check the path of AMQP_URL"},
		"no write permission": {noWritePermission, "RabbitMQ does not allow this user to publish events: grant it write permission on the exchange troupe.events"},
		"no permissions":      {noPermissions, "RabbitMQ does not allow this user to declare exchanges and queues, and some are missing: import deploy/rabbitmq/definitions.json, or grant it configure, write and read permission on the vhost"},
		"other exchange":      {otherExchange, "RabbitMQ has an exchange of this name with another type or other arguments: delete it, or use another vhost"},
		"old server":          {oldServer, "RabbitMQ is too old: run 3.10 or later: connect to RabbitMQ: the server is older than 3.10: 3.8.9"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := rabbit.Open(t.Context(), config(t, test.change(t, rabbittest.URL(t)), topology))
			require.ErrorContains(t, err, test.want)
		})
	}
}

func wrongPassword(t *testing.T, at string) string {
	return rabbittest.At(t, at, func(u *url.URL) { u.User = url.UserPassword(u.User.Username(), "wrong") })
}

func noVhost(t *testing.T, at string) string {
	return rabbittest.At(t, at, func(u *url.URL) { u.Path = "/nowhere" })
}

// createUser creates a user with these permissions (none if empty) and returns a URL that
// logs in as this user.
func createUser(t *testing.T, at, password, permissions string) (userURL string) {
	var name, vhost string
	userURL = rabbittest.At(t, at, func(u *url.URL) {
		vhost = u.Path[1:]
		name = "user-of-" + vhost
		u.User = url.UserPassword(name, password)
	})
	rabbittest.Admin(t, http.MethodPut, "/api/users/"+name, `{"password":"`+password+`","tags":""}`)
	t.Cleanup(func() { rabbittest.Admin(t, http.MethodDelete, "/api/users/"+name, "") })
	if permissions != "" {
		rabbittest.Admin(t, http.MethodPut, "/api/permissions/"+vhost+"/"+name, permissions)
	}
	return userURL
}

func otherVhost(t *testing.T, at string) string { return createUser(t, at, "secret", "") }

func noPermissions(t *testing.T, at string) string {
	return createUser(t, at, "secret", `{"configure":"","write":".*","read":".*"}`)
}

func noWritePermission(t *testing.T, at string) string {
	return createUser(t, at, "secret", `{"configure":".*","write":"v1$|^troupe.dead$","read":".*"}`)
}

func otherExchange(t *testing.T, at string) string {
	withChannel(t, at, func(ch *amqp.Channel) {
		require.NoError(t, ch.ExchangeDeclare("troupe.events", amqp.ExchangeFanout, true, false, false, false, nil))
	})
	return at
}

// oldServer speaks just enough AMQP to report an old version.
func oldServer(t *testing.T, _ string) string {
	return "amqp://guest:guest@" + serve(t, func(c net.Conn) error {
		if _, err := io.ReadFull(c, make([]byte, 8)); err != nil { // "AMQP" and its version
			return err
		}
		properties := "\x07versionS" + long("3.8.9")
		for _, answer := range []string{
			"\x00\x0a\x00\x0a\x00\x09" + long(properties) + long("PLAIN") + long("en_US"), // start
			"\x00\x0a\x00\x1e\x00\x00\x00\x00\x00\x00\x00\x00",                            // tune
			"\x00\x0a\x00\x29\x00", // open-ok
		} {
			if _, err := io.WriteString(c, "\x01\x00\x00"+long(answer)+"\xce"); err != nil {
				return err
			}
		}
		_, err := io.Copy(io.Discard, c)
		return err
	})
}

// long returns a text after its length, which is how AMQP encodes a long string.
func long(s string) string {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.BigEndian, uint32(len(s))) // a buffer never fails
	return b.String() + s
}

// serve starts a server for one connection, calls talk with it, and returns its address.
func serve(t *testing.T, talk func(net.Conn) error) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c, err := listener.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = talk(c) // it fails when the client closes the connection
	}()
	t.Cleanup(func() {
		require.NoError(t, listener.Close())
		<-ended
	})
	return listener.Addr().String()
}

func TestAnInvalidURLIsReportedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"", "localhost:5672", "amqp:guest:secret@localhost", "http://guest:secret@localhost",
		"amqp://guest:secret@localhost:port", "amqp://guest:secret@localhost?heartbeat=secret",
		"amqp://guest:sec ret@localhost", "amqp://guest:sec%ret@localhost",
		"amqp://guest:sec/ret@localhost", "amqp://guest:sec?ret@localhost", "amqp://guest:sec#ret@localhost",
		// These can be parsed, with a part of the password as a host or a port.
		"amqp://guest:5672/secret@localhost", "amqp://guest:/secret@localhost", "amqp://guest:s@secret/ret@localhost",
		"amqp://guest:1?secret@localhost", "amqp://guest:1#secret@localhost",
	} {
		_, err := rabbit.Open(t.Context(), config(t, bad, topology))
		require.EqualError(t, err, "AMQP_URL is not of the form amqp://user:password@host:5672/vhost"+
			" (in user, password and vhost, special characters must be percent-encoded: / is %2F, @ is %40)", bad)
	}
}

func TestAPasswordMayContainAnyCharacter(t *testing.T) {
	t.Parallel()
	url := createUser(t, rabbittest.URL(t), "s/e?c#r@e:t%41 ", `{"configure":".*","write":".*","read":".*"}`)
	publish(t, open(t, url, topology), invoices("a")...)
}

func TestABrokerThatStartsLaterIsUsed(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	proxy.Down()
	b := open(t, proxy.URL, topology)
	h := subscribe(t, b, nil)
	require.ErrorIs(t, b.Publish(t.Context(), invoices("early"))[0], bus.ErrUnavailable)
	proxy.Restore(t)
	publish(t, b, invoices("late")...)
	h.waitFor(t, "late")
}

func TestTheBusKnowsWhetherTheBrokerCanBeReached(t *testing.T) {
	t.Parallel()
	proxy := rabbittest.NewProxy(t, rabbittest.URL(t))
	proxy.Down()
	b := open(t, proxy.URL, topology)
	require.False(t, b.Connected())
	h := subscribe(t, b, nil)
	proxy.Restore(t)
	publish(t, b, invoices("a")...)
	h.waitFor(t, "a")
	require.Eventually(t, b.Connected, 30*time.Second, time.Millisecond)
	proxy.Down()
	require.Eventually(t, func() bool { return !b.Connected() }, 30*time.Second, time.Millisecond)
	proxy.Restore(t)
	require.Eventually(t, b.Connected, 30*time.Second, time.Millisecond)
}

func TestOpenStopsWithItsContext(t *testing.T) {
	t.Parallel()
	address := serve(t, func(c net.Conn) error { // it reads everything and never answers
		_, err := io.Copy(io.Discard, c)
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	b, err := rabbit.Open(ctx, config(t, "amqp://guest:guest@"+address, topology))
	require.NoError(t, err)
	require.Less(t, time.Since(began), 5*time.Second)
	require.NoError(t, b.Close())
}

// An operator may have declared a queue with other arguments. RabbitMQ answers a
// different declaration by closing the channel.
func TestAQueueWithOtherArgumentsIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	url := rabbittest.URL(t)
	withChannel(t, url, func(ch *amqp.Channel) {
		for _, name := range []string{queue, deadQueue} {
			_, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-delivery-limit": 5})
			require.NoError(t, err)
		}
	})
	c, log := config(t, url, topology), &logBuffer{}
	c.Log = slog.New(slog.NewTextHandler(log, nil))
	b, err := rabbit.Open(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	publish(t, b, invoices("a")...)
	subscribe(t, b, nil).waitFor(t, "a")
	withChannel(t, url, func(ch *amqp.Channel) {
		require.NoError(t, ch.Publish("troupe.dead", "billing", true, false, amqp.Publishing{MessageId: "dead"}))
	})
	waitForMessages(t, url, deadQueue, 0)
	for _, name := range []string{queue, deadQueue} { // four sessions by now, and the log has one warning
		require.Equal(t, 1, log.count("other arguments; using it as it is\" queue="+name))
	}
}
