package app

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// healthLimit is shorter than the timeout of the health checks that call Health.
const healthLimit = 3 * time.Second

// Health asks each of services, which run in another process of this host, whether
// it is ready, and writes the answers to out. It returns an error for the first one
// that is not. The health checks of containers call it, because the images contain
// no other program.
func Health(ctx context.Context, out io.Writer, environ map[string]string, services ...Service) error {
	ctx, cancel := context.WithTimeout(ctx, healthLimit)
	defer cancel()
	environ, err := tidyServiceSettings(environ, services)
	if err != nil {
		return err
	}
	for _, s := range services {
		if err := askReady(ctx, s.scheme(environ), s.ListenAddress(environ)); err != nil {
			return fmt.Errorf("%s is not ready: %w", s.Name, err)
		}
		fmt.Fprintln(out, s.Name, "is ready")
	}
	return nil
}

func askReady(ctx context.Context, scheme, listens string) error {
	host, port, err := net.SplitHostPort(listens)
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); host == "" || ip.IsUnspecified() {
		host = "127.0.0.1" // it listens on every address of this host, so the loopback reaches it
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return err
	}
	// The certificate is for the names that clients use, not for this address.
	unverified := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // nothing secret is sent, and the answer is only whether to restart
	response, err := (&http.Transport{DisableKeepAlives: true, TLSClientConfig: unverified}).RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusOK {
		return nil
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 4<<10)).Decode(&problem); err != nil || problem.Detail == "" {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return fmt.Errorf("it reports: %s", problem.Detail)
}
