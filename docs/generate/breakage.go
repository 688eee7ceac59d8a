package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// schema is the part of a JSON Schema on which publishers and consumers rely.
type schema struct {
	Type       string            `json:"type"`
	Ref        string            `json:"$ref"`
	Format     string            `json:"format"`
	Pattern    string            `json:"pattern"`
	Minimum    *int64            `json:"minimum"`
	Known      []string          `json:"x-extensible-enum"`
	Items      *schema           `json:"items"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Defs       map[string]schema `json:"$defs"`
}

// breakage returns an error if a schema differs from the one that was published by more
// than what it adds. A field that is added must be optional: events without it are still
// in queues, in outboxes and among the dead letters.
func breakage(eventType string, published, fresh []byte) error {
	var before, after schema
	if err := json.Unmarshal(published, &before); err != nil {
		return fmt.Errorf("%s/%s.json: %w", schemaFolder, eventType, err)
	}
	if err := json.Unmarshal(fresh, &after); err != nil {
		return err
	}
	c := comparison{before: before.Defs, after: after.Defs, seen: map[string]bool{}}
	c.compare("", before, after)
	if len(c.breaks) == 0 {
		return nil
	}
	dot := strings.LastIndex(eventType, ".v")
	major, err := strconv.Atoi(eventType[dot+len(".v"):])
	if err != nil {
		return fmt.Errorf("%s does not end with its major version: %w", eventType, err)
	}
	return fmt.Errorf("%s would break its consumers: %s. Within a major version a payload only gains optional fields (`json:\"...,omitempty\"`). "+
		"Undo this, or leave the type as it was and add %s.v%d beside it (see docs/EVENTS.md, \"Changing an event\"). "+
		"If the type has never been on main, remove %s/%s.json",
		eventType, strings.Join(c.breaks, "; "), eventType[:dot], major+1, schemaFolder, eventType)
}

// comparison compares two schemas of one event.
type comparison struct {
	before, after map[string]schema // their definitions
	seen          map[string]bool   // the definitions that were compared
	breaks        []string
}

func (c *comparison) report(at, format string, args ...any) {
	c.breaks = append(c.breaks, strings.TrimPrefix(at, ".")+" "+fmt.Sprintf(format, args...))
}

func (c *comparison) compare(at string, before, after schema) {
	if before.Type != after.Type || before.Ref != after.Ref {
		c.report(at, "was %s and would be %s", before.kind(), after.kind())
		return
	}
	if before.Format != after.Format || before.Pattern != after.Pattern || !equal(before.Minimum, after.Minimum) {
		c.report(at, "would have another format, pattern or minimum")
	}
	for _, value := range before.Known {
		if !slices.Contains(after.Known, value) {
			c.report(at, "would lose the value %q", value)
		}
	}
	if before.Items != nil && after.Items != nil {
		c.compare(at+"[]", *before.Items, *after.Items)
	}
	if name := strings.TrimPrefix(before.Ref, "#/$defs/"); name != "" && !c.seen[name] {
		c.seen[name] = true
		c.compare(at, c.before[name], c.after[name])
	}
	c.compareFields(at, before, after)
}

func (c *comparison) compareFields(at string, before, after schema) {
	for _, name := range slices.Sorted(maps.Keys(before.Properties)) {
		field := at + "." + name
		now, kept := after.Properties[name]
		if !kept {
			c.report(field, "would be gone")
			continue
		}
		c.compare(field, before.Properties[name], now)
		if slices.Contains(before.Required, name) && !slices.Contains(after.Required, name) {
			c.report(field, "was always there and would be optional")
		}
	}
	for _, name := range after.Required {
		if !slices.Contains(before.Required, name) {
			c.report(at+"."+name, "would be required, and earlier events lack it")
		}
	}
}

// kind returns what values of a schema are.
func (s schema) kind() string {
	if s.Ref != "" {
		return strings.TrimPrefix(s.Ref, "#/$defs/")
	}
	return s.Type
}

func equal(a, b *int64) bool { return a == b || a != nil && b != nil && *a == *b }
