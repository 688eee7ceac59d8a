package cluster

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"

	"troupe/services"
)

// Ports are taken below those that the operating system gives to clients, and each is reserved:
// the process that took it listens on its twin, twinDistance above it. So no other test takes
// a port while its node or server is down for a moment.
const lowestPort, highestPort, twinDistance = 20000, 26000, 6000

// freePorts picks a port for each service that is free on the addresses of all its replicas,
// and returns what reserves them.
func freePorts(replicas int) (ports map[string]string, twins listeners, err error) {
	ports = map[string]string{}
	for _, service := range services.Names() {
		port, twin, err := reserve(1, replicas)
		if err != nil {
			twins.close()
			return nil, nil, err
		}
		ports[service], twins = strconv.Itoa(port), append(twins, twin...)
	}
	return ports, twins, nil
}

// reserved are the twins of the ports that this process keeps until it ends.
var reserved struct {
	mu    sync.Mutex
	twins listeners
}

// FreePort returns a port that is free, and that no other test and no client takes.
func FreePort() (int, error) { return freeRow(1) }

// freeRow returns the first of n free ports in a row. They are reserved until this process ends.
func freeRow(n int) (first int, err error) {
	first, twins, err := reserve(n, 1)
	reserved.mu.Lock()
	defer reserved.mu.Unlock()
	reserved.twins = append(reserved.twins, twins...)
	return first, err
}

// reserve returns the first of n ports in a row that are free on so many addresses of the
// loopback interface, and the listeners on their twins.
func reserve(n, addresses int) (first int, twins listeners, err error) {
	for range 100 {
		first = lowestPort + rand.IntN(highestPort-lowestPort-n)
		if twins, err = reserveAt(first, n, addresses); err == nil {
			return first, twins, nil
		}
	}
	return 0, nil, fmt.Errorf("find %d free ports in a row: none of 100 tries found any: %w", n, err)
}

func reserveAt(first, n, addresses int) (twins listeners, err error) {
	if twins, err = listen(first+twinDistance, n, 1); err != nil {
		return nil, err
	}
	own, err := listen(first, n, addresses)
	if err != nil {
		twins.close()
		return nil, err
	}
	own.close()
	return twins, nil
}

type listeners []net.Listener

// listen listens on n ports in a row, on so many addresses of the loopback interface, or on none.
func listen(first, n, addresses int) (l listeners, err error) {
	for port := first; port < first+n; port++ {
		for address := range addresses {
			one, err := net.Listen("tcp", net.JoinHostPort(loopback(address), strconv.Itoa(port)))
			if err != nil {
				l.close()
				return nil, err
			}
			l = append(l, one)
		}
	}
	return l, nil
}

func (l listeners) close() {
	for _, one := range l {
		_ = one.Close() // it accepted nothing
	}
}
