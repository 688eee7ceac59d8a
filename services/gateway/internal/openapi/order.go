package openapi

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// firstTags are the upstreams of this system in the order in which a reader needs them, then
// the gateway. Other systems follow.
var firstTags = []string{"users", "inventory", "orders", "payments", "notifications", gateway}

var tagDescriptions = map[string]string{
	"users":         "Accounts, sign-in and sign-out.",
	"inventory":     "Products, their prices and their stock.",
	"orders":        "Orders, from the request to the delivery.",
	"payments":      "What was authorized, charged and given back for orders.",
	"notifications": "A customer's notifications, how they arrive, and webhooks for other systems.",
	gateway:         "What the gateway answers itself, from several services or about its own state.",
}

// firstPaths are the patterns of paths in the order of use. The paths that are not here
// follow in alphabetical order.
var firstPaths = []string{
	"/users", "/token", "/users/me", "/users/me/password", "/logout", "/users/{}",
	"/products", "/products/{}", "/products/{}/stock",
	"/orders", "/orders/{}", "/orders/{}/timeline", "/orders/{}/stream", "/orders/{}/cancel", "/orders/{}/ship", "/orders/{}/deliver",
	"/payments", "/payments/{}/refund",
	"/notifications", "/notifications/unread", "/notifications/stream", "/notifications/{}/read", "/notifications/read", "/notifications/preferences",
	"/push/key", "/push/subscriptions", "/push/subscriptions/{}", "/webhooks", "/webhooks/{}",
	"/me/overview",
}

var firstMethods = []string{"post", "get", "put", "patch", "delete"}

// describeTags returns the tags of the operations, which are the names of their upstreams.
func describeTags(paths Document) []any {
	upstreams := Document{}
	for _, item := range paths {
		for _, operation := range item.(Document) {
			for _, tag := range operation.(Document)["tags"].([]string) {
				upstreams[tag] = true
			}
		}
	}
	var described []any
	for _, name := range orderedBy(upstreams, firstTags).names {
		described = append(described, Document{"name": name, "description": cmp.Or(tagDescriptions[name], "What "+name+" serves.")})
	}
	return described
}

// inOrderOfUse returns the paths and their operations in the order in which a reader needs
// them.
func inOrderOfUse(paths Document) ordered {
	items, patterns := Document{}, map[string]int{}
	for path, item := range paths {
		items[path] = orderedBy(item.(Document), firstMethods)
		patterns[path] = place(firstPaths, PathPattern(path))
	}
	return ordered{slices.SortedFunc(maps.Keys(items), func(a, b string) int {
		return cmp.Or(cmp.Compare(patterns[a], patterns[b]), cmp.Compare(a, b))
	}), items}
}

// place returns the place of a name in a list, behind the last one if it is not in it.
func place(list []string, name string) int {
	if i := slices.Index(list, name); i >= 0 {
		return i
	}
	return len(list)
}

// ordered is an object whose members are written in the order of its names.
type ordered struct {
	names   []string
	members Document
}

// orderedBy returns d with the names of the list first, and the others by name.
func orderedBy(d Document, first []string) ordered {
	return ordered{slices.SortedFunc(maps.Keys(d), func(a, b string) int {
		return cmp.Or(cmp.Compare(place(first, a), place(first, b)), cmp.Compare(a, b))
	}), d}
}

// MarshalJSON writes the object.
func (o ordered) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	separator := byte('{')
	for _, name := range o.names {
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(o.members[name])
		if err != nil {
			return nil, err
		}
		b.WriteByte(separator)
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
		separator = ','
	}
	if separator == '{' {
		b.WriteByte('{')
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
