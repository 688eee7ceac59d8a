package main

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

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
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"ready": untilReady},
	})
}

// freePorts sets a free port for every service in each script: $GATEWAY and so on,
// and $PORTS with the flags of 'troupe up'.
func freePorts(env *testscript.Env) error {
	env.Setenv("USERS_PASSWORD_HASH_COST", "insecure")
	for _, name := range services.Names() {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer listener.Close()
		env.Setenv(name, strconv.Itoa(listener.Addr().(*net.TCPAddr).Port))
	}
	return nil
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
