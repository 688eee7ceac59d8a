package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"troupe/services"
)

// Ports are taken below those that the operating system gives to clients: one that
// is free for a moment, while its node or server is down, stays free.
const lowestPort, highestPort = 20000, 32000

// freePorts picks a port for each service that is free on the addresses of all its replicas.
func freePorts(replicas int) (map[string]string, error) {
	ports := map[string]string{}
	for _, service := range services.Names() {
		for tries := 0; ports[service] == ""; tries++ {
			port := randomPort()
			held, err := hold(port, 1, replicas)
			defer held.close() // only once all are picked, so that none is picked twice
			switch {
			case err == nil:
				ports[service] = strconv.Itoa(port)
			case tries > 100:
				return nil, fmt.Errorf("find a free port: %w", err)
			}
		}
	}
	return ports, nil
}

// FreePort returns a port that is free, and that the operating system gives to no client.
func FreePort() (int, error) { return freeRow(1) }

// freeRow returns the first of n free ports in a row.
func freeRow(n int) (first int, err error) {
	for range 100 {
		first = randomPort()
		held, err := hold(first, n, 1)
		held.close()
		if err == nil {
			return first, nil
		}
	}
	return 0, fmt.Errorf("find %d free ports in a row: none of 100 tries found any", n)
}

func randomPort() int { return lowestPort + rand.IntN(highestPort-lowestPort) }

type listeners []net.Listener

// hold listens on n ports in a row, on so many addresses of the loopback interface.
func hold(first, n, addresses int) (held listeners, err error) {
	for port := first; port < first+n; port++ {
		for address := range addresses {
			l, err := net.Listen("tcp", net.JoinHostPort(loopback(address), strconv.Itoa(port)))
			if err != nil {
				return held, err
			}
			held = append(held, l)
		}
	}
	return held, nil
}

func (held listeners) close() {
	for _, l := range held {
		_ = l.Close() // it accepted nothing
	}
}
