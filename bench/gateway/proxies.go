package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"troupe/bench/internal/proc"
	"troupe/bench/internal/revision"
	"troupe/platform/auth"
)

// bench runs the upstream and the proxies, each in a process of its own.
type bench struct {
	options

	ctx       context.Context
	dir       string
	token     string
	upstream  string // its address
	proxies   []*proxy
	processes []*exec.Cmd
}

type proxy struct {
	name, address string
	pids          []string
	spent         []time.Duration // CPU per request, for each round
}

func (p *proxy) cpu() (sum time.Duration) {
	for _, pid := range p.pids {
		sum += proc.CPU(pid)
	}
	return sum
}

func (p *proxy) memory() (sum float64) {
	for _, pid := range p.pids {
		sum += proc.Status(pid, "VmRSS")
	}
	return sum
}

// newBench starts the upstream, the gateway and what it is compared with: all proxies that
// are installed, or, for refusals, a server that only refuses.
func newBench(ctx context.Context, o options) (*bench, error) {
	dir, err := os.MkdirTemp("", "troupe-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, dir: dir, options: o}
	steps := []func() error{b.startUpstream, b.startNginx, b.startHAProxy, b.startReverseProxies, b.startGateways}
	if o.refusals {
		steps = []func() error{b.startUpstream, b.startRefuser, b.startGateways}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			b.end()
			return nil, err
		}
	}
	return b, nil
}

func (b *bench) end() {
	if b.profile != "" && len(b.processes) > 0 {
		_ = b.processes[len(b.processes)-1].Process.Signal(syscall.SIGUSR1) // it may have ended
		time.Sleep(time.Second)                                             // it writes its profile
	}
	for _, c := range b.processes {
		_ = c.Process.Kill() // it has nothing to lose
		_ = c.Wait()
	}
	_ = os.RemoveAll(b.dir)
}

// startUpstream also makes the key with which the bench signs its token: the upstream
// publishes the key as users does.
func (b *bench) startUpstream() error {
	key, err := auth.NewPrivateKey()
	if err != nil {
		return err
	}
	signer, err := auth.NewSigner(key)
	if err != nil {
		return err
	}
	now := time.Now()
	b.token, err = signer.Sign(auth.Caller{UserID: "ann", Role: auth.User, SessionID: "s", Expires: now.Add(time.Hour)}, "bench", now)
	if err != nil {
		return err
	}
	p, err := b.startSelf("upstream", partUpstream)
	if err != nil {
		return err
	}
	b.upstream = p.address
	b.proxies = append(b.proxies, &proxy{name: "no proxy (upstream)", address: p.address, pids: p.pids})
	return os.WriteFile(filepath.Join(b.dir, "jwks.json"), signer.JWKS(), 0o600)
}

func (b *bench) startReverseProxies() error {
	for _, p := range []struct{ name, part string }{
		{"httputil.ReverseProxy, bare", partReverseProxy}, {"httputil.ReverseProxy, with a pool", partPooledProxy},
	} {
		started, err := b.startSelf(p.name, p.part, "http://"+b.upstream)
		if err != nil {
			return err
		}
		b.proxies = append(b.proxies, started)
	}
	return nil
}

func (b *bench) startRefuser() error {
	p, err := b.startSelf("net/http, 503 and nothing else", partRefuser)
	b.proxies = append(b.proxies, p)
	return err
}

func (b *bench) startSelf(name string, arguments ...string) (*proxy, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return b.start(name, func(address string) *exec.Cmd {
		return b.command([]string{"LISTEN=" + address, "JWKS=" + filepath.Join(b.dir, "jwks.json"), "GOMAXPROCS=1"}, self, arguments...)
	})
}

func (b *bench) startNginx() error {
	return b.startInstalled("nginx", func(address string) (string, []string) {
		return fmt.Sprintf(nginxConf, b.dir, b.dir, b.dir, b.upstream, address), []string{"-c"}
	})
}

func (b *bench) startHAProxy() error {
	return b.startInstalled("haproxy", func(address string) (string, []string) {
		return fmt.Sprintf(haproxyConf, address, b.upstream), []string{"-f"}
	})
}

// startInstalled starts a proxy of the distribution, or reports that it is missing.
func (b *bench) startInstalled(name string, configure func(address string) (conf string, flags []string)) error {
	path, err := exec.LookPath(name)
	if err != nil {
		fmt.Println(name, "is not installed and therefore not measured")
		return nil
	}
	p, err := b.start(name, func(address string) *exec.Cmd {
		conf, flags := configure(address)
		file := filepath.Join(b.dir, name+".conf")
		if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
			return exec.CommandContext(b.ctx, "false") // start reports that it does not listen
		}
		return b.command(nil, path, append(flags, file)...)
	})
	b.proxies = append(b.proxies, p)
	return err
}

// unreached is a configuration whose rate limits count each request and refuse none.
const unreached = `
extends: default
limits:
  address: {rate: 1000000, burst: 1000000, except: []}
  user: {rate: 1000000, burst: 1000000}
`

// startGateways starts the gateway of this tree, and that of another revision if there is
// one to compare with.
func (b *bench) startGateways() error {
	program := filepath.Join(b.dir, "gateway")
	if b.compare != "" {
		other := program + "-compared"
		name, err := revision.Build(b.ctx, b.compare, gatewayProgram, other)
		if err != nil {
			return err
		}
		if err := b.startGateway("troupe gateway, "+name, other); err != nil {
			return err
		}
	}
	build := exec.CommandContext(b.ctx, "go", "build", "-tags", "profile", "-o", program, gatewayProgram) //nolint:gosec // the folder is our own
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	return b.startGateway("troupe gateway", program)
}

const gatewayProgram = "./cmd/troupe"

// startGateway runs the real program with everything on: routing, the check of tokens,
// limits, breaker, access log and metrics.
func (b *bench) startGateway(name, program string) error {
	config := filepath.Join(b.dir, "gateway.yaml")
	if err := os.WriteFile(config, []byte(unreached), 0o600); err != nil {
		return err
	}
	p, err := b.start(name, func(address string) *exec.Cmd {
		upstream := "http://" + b.upstream
		return b.command([]string{
			"GATEWAY_LISTEN=" + address, "ORDERS_URL=" + upstream, "USERS_URL=" + upstream, "GOMAXPROCS=1",
			"GATEWAY_CONFIG=" + config, "GOMEMLIMIT=180MiB", "GOGC=400", "TROUPE_PROFILE=" + b.profile, // as in deploy/
		}, program, "serve", "gateway")
	})
	b.proxies = append(b.proxies, p)
	return err
}

func (b *bench) command(environ []string, program string, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(b.ctx, program, arguments...) //nolint:gosec // all of them are named in this file
	c.Env = append(os.Environ(), environ...)
	return c
}

// start runs a command that listens on a free port, and waits until it does.
func (b *bench) start(name string, command func(address string) *exec.Cmd) (*proxy, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	c := command(address)
	out, err := os.Create(filepath.Join(b.dir, filepath.Base(c.Path)+".log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	c.Stdout, c.Stderr = out, out // a file, as in production: the access log is written
	if err := c.Start(); err != nil {
		return nil, err
	}
	b.processes = append(b.processes, c)
	if err := awaitListener(address); err != nil {
		log, _ := os.ReadFile(out.Name())
		return nil, fmt.Errorf("%s does not start: %w\n%s", name, err, log)
	}
	return &proxy{name: name, address: address, pids: []string{strconv.Itoa(c.Process.Pid)}}, nil
}

// freeAddress returns an address of this host that is free at the moment.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is bound at once
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func awaitListener(address string) error {
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil { //nolint:noctx // it is refused or accepted at once
			return c.Close()
		}
	}
	return errors.New("it does not listen after 10 s")
}

const nginxConf = `
daemon off;
master_process off;
pid %s/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
	access_log %s/nginx.access.log;
	client_body_temp_path %s;
	keepalive_requests 1000000;
	upstream orders { server %s; keepalive 64; keepalive_requests 1000000; }
	server {
		listen %s;
		location / {
			proxy_pass http://orders;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $remote_addr;
		}
	}
}
`

const haproxyConf = `
global
	nbthread 1
	log stderr format raw local0
defaults
	mode http
	log global
	option httplog
	option forwardfor
	timeout connect 1s
	timeout client 30s
	timeout server 30s
	http-reuse always
frontend front
	bind %s
	default_backend orders
backend orders
	server orders %s
`
