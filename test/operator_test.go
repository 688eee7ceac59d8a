package test

import (
	"net"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/patterns/bus/rabbit/rabbittest"
	"troupe/test/cluster"
)

// The demo shows the five ways in which an order ends, and the operator can print
// each of these orders afterwards.
func TestTheDemoShowsFiveEndings(t *testing.T) {
	eachInstallation(t, nil, func(t *testing.T, s *installation) {
		shown := s.troupe(t, "demo")
		require.Contains(t, shown, "The customer was notified about all 5 orders.")
		require.Contains(t, shown, "All orders ended as they should.")
		scenarios := regexp.MustCompile(`\n\d\. `).Split(shown, -1)[1:]
		require.Len(t, scenarios, 5, "%s", shown)
		for n, want := range []struct{ title, last, end string }{
			{"An order is paid", "order.paid.v1", "confirmed, payment captured\n"},
			{"A card is declined", "stock.released.v1", "cancelled, payment declined (payment_declined)\n"},
			{"A customer orders more than is in stock", "payment.voided.v1", "cancelled, payment voided (stock_rejected)\n"},
			{"A customer pays, then cancels", "payment.refunded.v1", "cancelled, payment refunded (customer)\n"},
			{"The payment provider times out after charging", "order.paid.v1", "confirmed, payment captured\n"},
		} {
			require.True(t, strings.HasPrefix(scenarios[n], want.title+"\n"), "%s", scenarios[n])
			require.Contains(t, scenarios[n], want.last)
			id := regexp.MustCompile(`order (\S+): `).FindStringSubmatch(scenarios[n])[1]
			order := s.troupe(t, "order", id)
			require.Contains(t, order, "order "+id+"  "+want.end)
			require.Contains(t, order, "order.created.v1")
			require.Contains(t, order, want.last)
		}
		require.NotContains(t, s.troupe(t, "dead-letters", "list", "--state", "all"), ".v1", "no dead letter is left")
	})
}

// A password that RabbitMQ refuses ends `up --distributed` with an error, where it
// could retry forever.
func TestUpFailsWhenRabbitMQRefusesThePassword(t *testing.T) {
	t.Parallel()
	amqp := rabbittest.At(t, rabbittest.URL(t), func(u *url.URL) { u.User = url.UserPassword("guest", "not this one") })
	database := cluster.CreateDatabase(t)
	binary, err := program()
	require.NoError(t, err)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	command := exec.CommandContext(t.Context(), binary, "up", "--distributed", "--ephemeral")
	command.Env = append(command.Environ(), "DATABASE_URL="+database, "AMQP_URL="+amqp, "GATEWAY_LISTEN="+free.Addr().String())
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	require.Contains(t, string(out), "RabbitMQ refuses user or password: check AMQP_URL")
	require.Contains(t, string(out), "gateway did not start")
	require.NotContains(t, string(out), "another program")
}
