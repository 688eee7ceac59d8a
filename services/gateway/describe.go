package gateway

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"troupe/app"
	"troupe/services/gateway/internal/config"
)

// configFile is the file of GATEWAY_CONFIG.
var configFile = app.ConfigFile{Default: config.Default, Schema: config.Schema, Describe: describe}

// describe returns the routes of a file as a table, in the order of the file.
func describe(file string, content []byte, services []string) (string, error) {
	c, err := config.Parse(file, content, services)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "METHODS\tPATH\tACCESS\tUPSTREAM\tLIMITS")
	for _, r := range c.Routes {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", strings.Join(r.AllMethods(), ","), r.Path, r.Access, destination(r), strings.Join(r.Limits, ","))
	}
	_ = table.Flush() // a strings.Builder does not fail
	return out.String(), nil
}

// destination returns the upstream of a route, the shares of a split, and what is
// composed.
func destination(r config.Route) string {
	var parts []string
	if r.Upstream != "" {
		parts = append(parts, r.Upstream)
	}
	for _, s := range r.Split {
		parts = append(parts, fmt.Sprintf("%s %d%%", s.Upstream, s.Percent))
	}
	if r.Compose != "" {
		parts = append(parts, "composes "+string(r.Compose))
	}
	return strings.Join(parts, ", ")
}
