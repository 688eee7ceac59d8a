package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"troupe/platform/ascii"
	"troupe/services"
)

// The scripts run the program itself, as an operator would.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"troupe": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: freePorts,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": untilReady, "guess": guess, "hangup": hangup, "metric": untilMetric,
		},
	})
}

// listed are the services whose ports the scripts name.
var listed = []string{"gateway", "users", "orders", "notifications", "inventory", "payments", "console"}

// freePorts sets a free port for every service in each script: $gateway and so on. Further
// services listen there by themselves.
func freePorts(env *testscript.Env) error {
	env.Setenv("USERS_PASSWORD_HASH_COST", "insecure")
	for _, name := range services.Names() {
		port := strconv.Itoa(freePort())
		env.Setenv(name, port)
		if !slices.Contains(listed, name) {
			env.Setenv(ascii.Upper(name)+"_LISTEN", "127.0.0.1:"+port)
		}
	}
	return nil
}

// nextPort is above those that the tests of the whole system take, and below those that the
// operating system gives to clients: between now and its use no other program takes it.
var nextPort atomic.Int32

// freePort returns a port that is free, another one each time.
func freePort() int {
	const lowest = 32_000
	for {
		port := lowest + int(nextPort.Add(1))
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			_ = listener.Close() // it accepted nothing
			return port
		}
	}
}

// guess tries wrong passwords of the admin, until the gateway at a port has refused one
// without a look: guess PORT AT-MOST.
func guess(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: guess PORT AT-MOST")
	}
	most, err := strconv.Atoi(args[1])
	ts.Check(err)
	for range most {
		response, err := http.PostForm("http://127.0.0.1:"+args[0]+"/token", url.Values{"username": {defaultAdmin}, "password": {"guess"}})
		ts.Check(err)
		ts.Check(response.Body.Close())
		if response.StatusCode == http.StatusTooManyRequests {
			return
		}
	}
	ts.Fatalf("no guess was refused")
}

// hangup sends SIGHUP to the processes that run in the background.
func hangup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: hangup")
	}
	for _, command := range ts.BackgroundCmds() {
		ts.Check(command.Process.Signal(syscall.SIGHUP))
	}
}

// untilMetric waits until the gateway at a port has a line of metrics: metric PORT LINE.
func untilMetric(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: metric PORT LINE")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%s/metrics", args[0]))
		ts.Check(err)
		text, err := io.ReadAll(response.Body)
		ts.Check(err)
		_ = response.Body.Close()
		if strings.Contains(string(text), args[1]+"\n") {
			return
		}
		<-time.After(10 * time.Millisecond)
	}
	ts.Fatalf("the metrics have no line %s", args[1])
}

// untilReady waits until the gateway at a port is ready: ready PORT.
func untilReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready PORT")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%s/readyz", args[0]))
		if err == nil {
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return
			}
		}
		<-time.After(10 * time.Millisecond)
	}
	ts.Fatalf("the system does not become ready")
}
