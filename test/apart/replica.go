package apart

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"

	"troupe/app"
	"troupe/services/gateway"
	"troupe/services/inventory"
	"troupe/services/notifications"
	"troupe/services/orders"
	"troupe/services/payments"
	"troupe/services/users"
)

var services = map[string]app.Service{
	"gateway": gateway.Service, "users": users.Service, "orders": orders.Service,
	"notifications": notifications.Service, "inventory": inventory.Service, "payments": payments.Service,
}

// replica is one of the copies of a service, counted from 0. There is one gateway.
type replica struct {
	service string
	n       int
}

func (r replica) String() string { return r.service + "/" + strconv.Itoa(r.n) }

// running is a replica that runs.
type running interface{ Stop() error }

func (s *System) start(r replica) error {
	if r.service == "gateway" && r.n > 0 || s.runs(r) {
		return nil
	}
	started, err := s.launch(r)
	if err != nil {
		return fmt.Errorf("start %s: %w", r, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas[r] = started
	return nil
}

func (s *System) launch(r replica) (running, error) {
	if s.Program != "" && r.service != "gateway" {
		return startProcess(s.t.Context(), s.Program, r.service, s.environ(r), s.Output)
	}
	return app.Start(s.t.Context(), app.Config{
		Services: []app.Service{services[r.service]}, Environ: s.environ(r), Version: "test", Lookup: s.lookup, Listen: s.Listen,
		Log: slog.New(slog.NewTextHandler(s.Output, &slog.HandlerOptions{Level: slog.LevelWarn})).With("replica", r.n),
	})
}

func (s *System) stop(r replica) error {
	running := s.take(r)
	if running == nil {
		return nil
	}
	if err := running.Stop(); err != nil {
		return fmt.Errorf("stop %s: %w", r, err)
	}
	return nil
}

func (s *System) runs(r replica) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replicas[r] != nil
}

// take takes it off the list of those that run; nil if it does not.
func (s *System) take(r replica) running {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.replicas[r]
	delete(s.replicas, r)
	return taken
}

// environ are the settings of a replica.
func (s *System) environ(r replica) map[string]string {
	e := map[string]string{
		"DATABASE_URL": s.Databases[r.service], "AMQP_URL": s.AMQP,
		"ADMIN_EMAIL": AdminEmail, "ADMIN_PASSWORD": AdminPassword,
		"PASSWORD_HASH_COST": "insecure", "PROVIDER_DELAYS": "false", "GATEWAY_RECOVERY": "100ms",
		"GATEWAY_TIMEOUT": "50s", "GATEWAY_TRY_TIMEOUT": "20s", "GATEWAY_SLOW_TRY": "20s", "GATEWAY_IN_FLIGHT": "4096", // the machine may be busy
		"ORDER_DEADLINE": "24h", "HOLD_EXPIRY": "48h", // or they would clear away what got lost
		"DRAIN_DELAY": "1s", "LOG_LEVEL": "warn",
		strings.ToUpper(r.service) + "_LISTEN": s.address(r),
	}
	for service := range services {
		e[strings.ToUpper(service)+"_URL"] = "http://" + net.JoinHostPort(s.name(service), s.ports[service])
	}
	return e
}

// name is what a service's replicas have in common.
func (s *System) name(service string) string {
	if s.Program != "" && service == "users" {
		return host(0) // processes, which look for its keys, know no other names
	}
	return service + ".apart"
}

// lookup finds the replicas behind a name, as an orchestrator tells: without
// those that are about to stop.
func (s *System) lookup(_ context.Context, name string) ([]string, error) {
	if !strings.HasSuffix(name, ".apart") {
		return []string{name}, nil
	}
	var hosts []string
	for n := range s.Replicas {
		if s.runs(replica{strings.TrimSuffix(name, ".apart"), n}) {
			hosts = append(hosts, host(n))
		}
	}
	if len(hosts) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	return hosts, nil
}

func (s *System) address(r replica) string { return net.JoinHostPort(host(r.n), s.ports[r.service]) }

// host is the n-th address of the loopback interface, which on Linux has many.
func host(n int) string { return "127.0.0." + strconv.Itoa(1+n) }

// freePorts picks a port for each service that is free for all its replicas,
// below those that the system gives to clients: one that is free for a moment,
// while its replica is down, stays so.
func freePorts(replicas int) (map[string]string, error) {
	const lowest, highest = 20000, 32000
	ports := map[string]string{}
	for service := range services {
		for tries := 0; ports[service] == ""; tries++ {
			port := strconv.Itoa(lowest + rand.IntN(highest-lowest))
			held, err := hold(port, replicas)
			defer func() {
				for _, l := range held {
					_ = l.Close() // held until all are picked, so that none is picked twice
				}
			}()
			switch {
			case err == nil:
				ports[service] = port
			case tries > 100:
				return nil, fmt.Errorf("find a free port: %w", err)
			}
		}
	}
	return ports, nil
}

// hold listens on a port of all replicas' addresses.
func hold(port string, replicas int) (held []net.Listener, err error) {
	for n := range replicas {
		l, err := net.Listen("tcp", net.JoinHostPort(host(n), port))
		if err != nil {
			return held, err
		}
		held = append(held, l)
	}
	return held, nil
}
