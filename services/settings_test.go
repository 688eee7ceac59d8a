package services

import (
	"errors"
	"log/slog"
	"math"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"troupe/app"
	"troupe/platform/sqldb"
	"troupe/platform/sqldb/sqldbtest"
)

// settingsRead are the structs of settings that a service filled when it was built, in
// their order, and the first error.
type settingsRead struct {
	structs []any
	err     error
}

var errReadEnough = errors.New("the service has read enough")

// allStructs has readSettings build the whole service.
const allStructs = math.MaxInt

// readSettings builds a service with one setting beside its defaults until it has read so
// many structs, and returns what it read. The service itself may refuse the value afterwards.
func readSettings(t *testing.T, s app.Service, db sqldb.DB, structs int, name, value string) (read settingsRead) {
	t.Helper()
	build := s.Build
	s.Build = func(env app.Env) (app.Components, error) {
		settings := env.Settings
		env.Settings = func(into any) error {
			err := settings(into)
			if read.err == nil {
				read.err = err
			}
			read.structs = append(read.structs, reflect.ValueOf(into).Elem().Interface())
			if err == nil && len(read.structs) == structs {
				return errReadEnough
			}
			return err
		}
		if err := env.Settings(&app.Settings{}); err != nil {
			return app.Components{}, err
		}
		return build(env)
	}
	environ := map[string]string{"PASSWORD_HASH_COST": "insecure", "DEMO_CATALOGUE": "false"} // the present names win
	if name != "" {
		environ[name] = value
	}
	_, err := app.NewInstance(s, app.Dependencies{
		Environ: environ, Version: "test", DB: db, Publisher: silentBus{}, JWKS: []byte(`{"keys":[]}`), Peers: peers(),
		Transport: http.DefaultTransport, Now: time.Now, NewID: uuid.NewString, Log: slog.New(slog.DiscardHandler),
	})
	if len(read.structs) == 0 {
		read.err = err
	}
	return read
}

// sample returns a value that a setting can have, as text. What a service creates under that
// name is removed with the test.
func sample(t *testing.T, field reflect.StructField) string {
	t.Helper()
	if value := field.Tag.Get("envDefault"); value != "" {
		return value
	}
	switch kind := field.Type.Kind(); {
	case kind == reflect.Bool:
		return "true"
	case kind == reflect.String:
		return filepath.Join(t.TempDir(), "several words")
	case field.Type == reflect.TypeFor[[]string]():
		return "several words"
	case kind == reflect.Slice:
		return "10.0.0.0/8"
	}
	return "1"
}

// namesOf returns the names by which the setting of a field is read.
func namesOf(field reflect.StructField) (names []string) {
	name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
	for _, n := range []string{name, field.Tag.Get("formerly")} {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

// A secret that was made by `echo password | base64` ends with a line feed, a file that was
// written on Windows begins with a byte order mark, a value that was pasted has a blank
// (kubernetes/kubernetes#23404, #82327, bitnami/containers#24924).
func TestWhatNoOperatorMeansIsRemovedFromEverySetting(t *testing.T) {
	t.Parallel()
	for _, s := range All {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var db sqldb.DB
			if s.Migrations != nil {
				db = sqldbtest.SQLite(t, app.Migrations(s)...)
			}
			found := 0
			for i, read := range readSettings(t, s, db, allStructs, "", "").structs {
				for _, field := range reflect.VisibleFields(reflect.TypeOf(read)) {
					for _, name := range namesOf(field) {
						found++
						requireTidied(t, s, db, i+1, field, name)
					}
				}
			}
			require.GreaterOrEqual(t, found, reflect.TypeFor[app.Settings]().NumField(), "those of every process, and its own")
		})
	}
}

// requireTidied requires that a setting in the last of so many structs is tidied.
func requireTidied(t *testing.T, s app.Service, db sqldb.DB, structs int, field reflect.StructField, name string) {
	t.Helper()
	value := sample(t, field)
	want := readSettings(t, s, db, structs, name, value)
	for _, odd := range []string{value + "\n", value + "\r\n", "\ufeff" + value, "\n\t" + value + "\u200b\x00"} {
		got := readSettings(t, s, db, structs, name, odd)
		require.Equal(t, want, got, "%s=%q", name, odd)
	}
	blank := readSettings(t, s, db, structs, name, " "+value+" ")
	if field.Tag.Get("secret") == "true" {
		require.ErrorContains(t, blank.err, "begins or ends with a blank", name)
		require.NotContains(t, blank.err.Error(), value)
	} else {
		require.Equal(t, want, blank, name)
	}
	err := readSettings(t, s, db, structs, name, value[:1]+"\n"+value[1:]+"xyz").err
	current := namesOf(field)[0]
	require.ErrorContains(t, err, current+" contains a line feed (U+000A) inside", name)
	require.NotContains(t, err.Error(), value[1:]+"xyz", "the value may be a secret")
}
