package app

import (
	"context"
	"encoding"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"

	"troupe/platform/ascii"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
)

// hidden stands for a value that is secret.
const hidden = "(hidden)"

type settingsInUse struct {
	Settings map[string]string `json:"settings" doc:"The value of each setting; those that are secret are hidden"`
}

type settingsResponse struct{ Body settingsInUse }

// settingsRead are the settings that a service has read, as an admin may see them. Its
// methods can be called from several goroutines, because a reload reads settings again.
type settingsRead struct {
	mu  sync.Mutex
	all map[string]string
}

// add remembers the values of a struct with env tags.
func (r *settingsRead) add(from any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = map[string]string{}
	}
	addSettings(r.all, from)
}

func (r *settingsRead) clone() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.all)
}

// serveSettings adds the operation with which an admin sees the settings in use.
func (i *Instance) serveSettings() {
	show := func(context.Context, *struct{}) (*settingsResponse, error) {
		return &settingsResponse{settingsInUse{i.settings.clone()}}, nil
	}
	httpapi.Get(i.API, "/admin/settings", show, httpapi.RequireRole(auth.Admin), httpapi.Summary("Show the settings in use"))
}

// addSettings adds the settings of a struct with env tags, by their names.
func addSettings(all map[string]string, from any) {
	value := reflect.Indirect(reflect.ValueOf(from))
	for _, field := range reflect.VisibleFields(value.Type()) {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		if name == "" || !field.IsExported() {
			continue
		}
		all[name] = visible(field.Tag.Get("secret") == "true" || isSecret(name), textOf(value.FieldByIndex(field.Index)))
	}
}

// textOf returns a value as it is written in the environment, about.
func textOf(v reflect.Value) string {
	if v.Kind() == reflect.Slice {
		parts := make([]string, v.Len())
		for n := range parts {
			parts[n] = textOf(v.Index(n))
		}
		return strings.Join(parts, ",")
	}
	if t, ok := reflect.TypeAssert[encoding.TextMarshaler](v); ok {
		if text, err := t.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(v.Interface())
}

// secretWords are in the names of settings and of parameters whose values are secret.
var secretWords = []string{"PASS", "SECRET", "TOKEN", "PRIVATE", "CREDENTIAL", "KEY"}

// passwordParameter finds a password in a connection string, in which spaces may stand
// around the equals sign.
var passwordParameter = regexp.MustCompile(`(?i)password\s*=`)

func isSecret(name string) bool {
	return !strings.HasSuffix(name, "_FILE") && slices.ContainsFunc(secretWords, func(word string) bool {
		return strings.Contains(ascii.Upper(name), word)
	})
}

// visible returns a value without what is secret: all of it, or the passwords of addresses.
func visible(secret bool, value string) string {
	switch {
	case value == "":
		return ""
	case secret, passwordParameter.MatchString(value):
		return hidden // such as host=db password=...
	case !strings.Contains(value, "://"):
		return value
	}
	// There may be several addresses, with blanks or commas between them.
	fields := strings.Fields(value)
	for i, field := range fields {
		parts := strings.Split(field, ",")
		for n, part := range parts {
			address, ok := withoutSecrets(part)
			if !ok {
				return hidden
			}
			parts[n] = address
		}
		fields[i] = strings.Join(parts, ",")
	}
	return strings.Join(fields, " ")
}

// withoutSecrets returns an address without its password and without parameters that are
// secret, false if it is no address.
func withoutSecrets(value string) (string, bool) {
	address, err := url.Parse(value)
	if err != nil || !strings.Contains(value, "://") {
		return "", false
	}
	query := address.Query()
	for key := range query {
		if isSecret(key) {
			query.Set(key, "hidden")
		}
	}
	if address.RawQuery != "" {
		address.RawQuery = query.Encode()
	}
	if address.User != nil {
		address.User = url.User(address.User.Username())
	}
	return address.String(), true
}
