package rabbittest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Import imports definitions as RabbitMQ does at its start, but into a virtual host of
// the test's own and with names for its users that no other test has. It returns the URL
// of each user, by the name in the definitions. All is deleted when the test ends.
func Import(t testing.TB, definitions []byte) map[string]string {
	t.Helper()
	at := URL(t)
	vhost := strings.TrimPrefix(parsed(t, at).Path, "/")
	var all map[string][]map[string]any
	require.NoError(t, json.Unmarshal(definitions, &all))
	for kind, objects := range all {
		for _, o := range objects {
			switch kind {
			case "vhosts":
				o["name"] = vhost
			case "users":
			default:
				o["vhost"] = vhost
			}
			if user, ok := o["user"].(string); ok {
				o["user"] = vhost + "-" + user
			}
		}
	}
	urls := map[string]string{}
	for _, user := range all["users"] {
		name, password := user["name"].(string), user["password"].(string)
		user["name"] = vhost + "-" + name
		urls[name] = At(t, at, func(u *url.URL) { u.User = url.UserPassword(vhost+"-"+name, password) })
	}
	body, err := json.Marshal(all)
	require.NoError(t, err)
	Admin(t, http.MethodPost, "/api/definitions", string(body))
	t.Cleanup(func() {
		for name := range urls {
			Admin(t, http.MethodDelete, "/api/users/"+vhost+"-"+name, "")
		}
	})
	return urls
}

func parsed(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}
