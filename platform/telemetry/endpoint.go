package telemetry

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"troupe/platform/ascii"
)

// The standard variables that decide whether and where spans are sent. Those of the
// signal win over those of all signals (OpenTelemetry, "OTLP exporter configuration").
const (
	endpointVariable       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVariable       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocolVariable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	exporterVariable       = "OTEL_TRACES_EXPORTER"
	samplerVariable        = "OTEL_TRACES_SAMPLER"
	samplerArgVariable     = "OTEL_TRACES_SAMPLER_ARG"
	propagatorsVariable    = "OTEL_PROPAGATORS"
)

// endpointOf returns the URL that spans are sent to, "" if none are. A variable that asks
// for what this program does not do is an error, because spans would be missing without a
// sign.
func endpointOf(getenv func(string) string) (string, error) {
	if ascii.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv(exporterVariable) == "none" ||
		getenv(endpointVariable) == "" && getenv(tracesEndpointVariable) == "" {
		return "", nil
	}
	for _, check := range []func(func(string) string) error{checkChoices, checkPropagators, checkSampler} {
		if err := check(getenv); err != nil {
			return "", err
		}
	}
	if exact := getenv(tracesEndpointVariable); exact != "" {
		_, err := parseEndpoint(tracesEndpointVariable, "http://localhost:4318/v1/traces", exact)
		return exact, err
	}
	base := getenv(endpointVariable)
	u, err := parseEndpoint(endpointVariable, "http://localhost:4318", base)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/traces") {
		return "", fmt.Errorf("%s is %q: leave out /v1/traces, which is added, or set %s instead", endpointVariable, base, tracesEndpointVariable)
	}
	return u.JoinPath("v1/traces").String(), nil
}

func parseEndpoint(variable, example, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%s must be a URL like %s, not %q", variable, example, value)
	}
	return u, nil
}

// checkChoices checks the variables that have few possible values here.
func checkChoices(getenv func(string) string) error {
	for _, c := range []struct {
		variable string
		known    []string
	}{
		{tracesProtocolVariable, []string{"http/protobuf"}},
		{protocolVariable, []string{"http/protobuf"}},
		{exporterVariable, []string{"otlp", "none"}},
		{samplerVariable, []string{
			"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
		}},
	} {
		if got := getenv(c.variable); got != "" && !slices.Contains(c.known, got) {
			return fmt.Errorf("%s is %q, which is not supported: use %s", c.variable, got, strings.Join(c.known, ", "))
		}
	}
	return nil
}

// checkPropagators returns an error if the trace context should be sent in a form that
// the services do not read.
func checkPropagators(getenv func(string) string) error {
	for name := range strings.SplitSeq(getenv(propagatorsVariable), ",") {
		switch strings.TrimSpace(name) {
		case "", "tracecontext", "baggage":
		default:
			return fmt.Errorf("%s names %q, which is not supported: use tracecontext", propagatorsVariable, name)
		}
	}
	return nil
}

func checkSampler(getenv func(string) string) error {
	value := getenv(samplerArgVariable)
	if value == "" || !strings.HasSuffix(getenv(samplerVariable), "traceidratio") {
		return nil
	}
	if ratio, err := strconv.ParseFloat(value, 64); err != nil || ratio < 0 || ratio > 1 {
		return fmt.Errorf("%s is %q: it must be a number from 0 to 1, for example 0.1", samplerArgVariable, value)
	}
	return nil
}
