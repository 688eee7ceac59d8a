package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/app"
	"troupe/patterns/worker"
	"troupe/services/gateway/internal/config"
)

// reloads reads the configuration when the gateway starts, when the file changes and when
// an operator asks for it.
type reloads struct {
	gateway *gateway
	env     app.Env
	valid   prometheus.Gauge
	results *prometheus.CounterVec

	mu     sync.Mutex // held during a reload
	tried  digest     // of the file that was read last, in use or refused
	seen   digest     // of the file at the last look
	failed string     // why the file could not be read at the last look
}

type digest = [sha256.Size]byte

func newReloads(g *gateway, env app.Env) *reloads {
	r := &reloads{
		gateway: g, env: env,
		valid: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "troupe_gateway_config_valid", Help: "Whether the configuration file is the one in use: 0 if it was refused and the one before is used.",
		}),
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "troupe_gateway_config_reloads_total", Help: "Reloads of the configuration file by result.",
		}, []string{"result"}),
	}
	env.Registry.MustRegister(r.valid, r.results)
	r.valid.Set(1)
	for _, result := range []string{"accepted", "refused"} {
		r.results.WithLabelValues(result)
	}
	return r
}

// start reads the configuration for the first time. A mistake stops the start.
func (r *reloads) start() error {
	if r.gateway.ConfigFile == "" {
		return r.apply("default.yaml", config.Default)
	}
	text, err := r.read()
	if err != nil {
		return fmt.Errorf("GATEWAY_CONFIG: %w; give the path of a YAML file", err)
	}
	if err := r.apply(r.gateway.ConfigFile, text); err != nil {
		return fmt.Errorf("GATEWAY_CONFIG: %w", err)
	}
	return nil
}

// workers returns the worker that looks for changes of the file.
func (r *reloads) workers() []worker.Worker {
	if r.gateway.ConfigFile == "" {
		return nil
	}
	return []worker.Worker{{Name: "gateway configuration", Step: r.step, Interval: time.Second}}
}

// step reloads a file that has changed and is the same at two looks in a row: an editor
// that writes in parts must not put half a file into use.
func (r *reloads) step(ctx context.Context) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text, err := r.read()
	if err != nil {
		r.refuseUnreadable(ctx, err)
		return 0, nil
	}
	r.failed = ""
	now := sha256.Sum256(text)
	settled := now == r.seen
	r.seen = now
	if settled && now != r.tried {
		_ = r.reload(ctx, text) // it has been logged
	}
	return 0, nil
}

// Reload reads the file now, as an operator asks for with SIGHUP.
func (r *reloads) Reload(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.gateway.ConfigFile == "" {
		r.env.Log.InfoContext(ctx, "nothing to reload: GATEWAY_CONFIG is not set, so the routes are the default ones")
		return nil
	}
	text, err := r.read()
	if err != nil {
		r.refuseUnreadable(ctx, err)
		return err
	}
	return r.reload(ctx, text)
}

// reload puts the configuration into use, or keeps the one before if it has mistakes.
func (r *reloads) reload(ctx context.Context, text []byte) error {
	r.tried = sha256.Sum256(text)
	if err := r.apply(r.gateway.ConfigFile, text); err != nil {
		r.refuse(ctx, err)
		return err
	}
	r.valid.Set(1)
	r.results.WithLabelValues("accepted").Inc()
	r.env.Log.InfoContext(ctx, "configuration reloaded", "file", r.gateway.ConfigFile, "routes", len(r.gateway.routing.Load().config.Routes))
	return nil
}

func (r *reloads) refuse(ctx context.Context, err error) {
	r.valid.Set(0)
	r.results.WithLabelValues("refused").Inc()
	r.env.Log.ErrorContext(ctx, "configuration refused; the one before stays in use", "file", r.gateway.ConfigFile, "error", err)
}

// refuseUnreadable refuses a file that cannot be read, once and not with every look.
func (r *reloads) refuseUnreadable(ctx context.Context, err error) {
	r.tried, r.seen = digest{}, digest{}
	if r.failed != err.Error() {
		r.failed = err.Error()
		r.refuse(ctx, err)
	}
}

// maxConfigSize is the largest configuration file in bytes.
const maxConfigSize = 4 << 20

var errConfigTooLarge = errors.New("the configuration file is larger than 4 MiB")

func (r *reloads) read() ([]byte, error) {
	text, err := os.ReadFile(r.gateway.ConfigFile)
	if err == nil && len(text) > maxConfigSize {
		return nil, errConfigTooLarge
	}
	return text, err
}

// apply makes the routing of a configuration and puts it into use.
func (r *reloads) apply(file string, text []byte) error {
	c, err := config.Parse(file, text, forwardable(r.env.Peers))
	if err != nil {
		return err
	}
	before := r.gateway.routing.Load()
	next, err := r.gateway.newRouting(c, before, r.env)
	if err != nil {
		return err
	}
	r.gateway.routing.Store(next)
	if before != nil {
		r.gateway.document.Expire()
	}
	if before == nil {
		r.tried = sha256.Sum256(text)
	}
	return nil
}

// forwardable returns the names of the services that requests may be forwarded to: all
// but the gateway, which would forward to itself.
func forwardable(peers map[string]string) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(peers)), func(name string) bool { return name == "gateway" })
}
