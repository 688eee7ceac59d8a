package scaffold

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"troupe/platform/ascii"
)

// copyOf describes a service that is deployed as another one is.
type copyOf struct {
	from, to         string
	fromPort, toPort int
}

// apply returns text about the one service as text about the other.
func (c copyOf) apply(text string) string {
	text = strings.ReplaceAll(text, strconv.Itoa(c.fromPort), strconv.Itoa(c.toPort))
	text = regexp.MustCompile(`\b`+c.from+`\b`).ReplaceAllString(text, c.to)
	return regexp.MustCompile(`\b`+ascii.Upper(c.from)+`_`).ReplaceAllString(text, ascii.Upper(c.to)+"_")
}

// afterEach adds a copy after every line that matches.
func (c copyOf) afterEach(text string, line *regexp.Regexp) string {
	return line.ReplaceAllStringFunc(text, func(found string) string { return found + c.apply(found) })
}

// inLists adds the service to every list that ends with the other one.
func (c copyOf) inLists(text, separator, end string) string {
	last := regexp.MustCompile(`(` + regexp.QuoteMeta(separator) + c.from + `)(` + end + `)`)
	return last.ReplaceAllString(text, "${1}"+separator+c.to+"${2}")
}

// deploy enters the service in the files of Docker Compose and Kubernetes.
func (t *Tree) deploy(c copyOf) error {
	if err := t.edit("compose.yaml", c.compose); err != nil {
		return err
	}
	folder := "deploy/kubernetes/"
	manifest, err := t.read(folder + c.from + ".yaml")
	if err != nil {
		return err
	}
	if err := t.create(folder+c.to+".yaml", []byte(c.apply(string(manifest)))); err != nil {
		return err
	}
	for name, change := range map[string]func(string) string{
		folder + "kustomization.yaml":    c.kustomization,
		folder + "settings.yaml":         c.urls,
		folder + "network.yaml":          c.network,
		"deploy/helm/troupe/values.yaml": c.chart,
		"deploy/README.md":               func(text string) string { return c.inLists(text, " ", `["; \n]`) },
	} {
		if err := t.edit(name, change); err != nil {
			return err
		}
	}
	if !t.exists(scrapes) || slices.Contains(t.removed, observability) {
		return nil
	}
	return t.edit(scrapes, func(text string) string {
		return c.afterEach(text, regexp.MustCompile(`(?m)^  - \{job_name: `+c.from+`, .*\n`))
	})
}

// The folder for Prometheus and Grafana, which the skeleton does not have, and the file that
// names the services to Prometheus.
const (
	observability = "deploy/observability"
	scrapes       = observability + "/prometheus.yml"
)

// network adds the service to the lists of services that the policies name.
func (c copyOf) network(text string) string {
	return regexp.MustCompile(`([\[ ]`+c.from+`)\]`).ReplaceAllString(text, "${1}, "+c.to+"]")
}

func (c copyOf) urls(text string) string {
	return c.afterEach(text, regexp.MustCompile(`(?m)^ +`+ascii.Upper(c.from)+`_URL: .*\n`))
}

func (c copyOf) chart(text string) string {
	return c.afterEach(text, regexp.MustCompile(`(?m)^  `+c.from+`: \{enabled: .*\n`))
}

func (c copyOf) kustomization(text string) string {
	return c.afterEach(text, regexp.MustCompile(`(?m)^ +- (`+c.from+`\.yaml|\{name: \w+/`+c.from+`,.*)\n`))
}

// compose adds the container of the service and everything that the others know of it.
func (c copyOf) compose(text string) string {
	own := regexp.MustCompile(`(?m)^  ` + c.from + `:\n(?:    .*\n)+\n`)
	container := own.FindString(text)
	if container == "" {
		return text
	}
	before, after, _ := strings.Cut(text, container)
	known := regexp.MustCompile(`(?m)^ +(?:` + ascii.Upper(c.from) + `_(?:URL|DATABASE_PASSWORD|RABBITMQ_PASSWORD)|` + c.from + `): .*\n`)
	others := func(part string) string { return c.inLists(c.afterEach(part, known), " ", "\n") }
	return others(before) + container + c.apply(c.withoutSettings(container)) + others(after)
}

// withoutSettings removes the settings that only the copied service has.
func (c copyOf) withoutSettings(container string) string {
	setting := regexp.MustCompile(`(?m)^ +` + ascii.Upper(c.from) + `_(\w+): .*\n`)
	return setting.ReplaceAllStringFunc(container, func(line string) string {
		if strings.Contains(line, fmt.Sprintf("%s_LISTEN:", ascii.Upper(c.from))) {
			return line
		}
		return ""
	})
}
