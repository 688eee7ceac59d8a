package app

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The settings that every service has are in no struct; services/settings_test.go covers
// those that are.
func TestWhatNoOperatorMeansIsRemovedFromTheSettingsOfEveryService(t *testing.T) {
	t.Parallel()
	all := []Service{{Name: "orders"}, {Name: "users"}}
	for _, s := range []string{"ORDERS", "USERS"} {
		for _, ending := range serviceSettings {
			tidied, err := tidyServiceSettings(map[string]string{s + ending: "\t value\r\n", "OTHER": "\n"}, all)
			require.NoError(t, err)
			require.Equal(t, map[string]string{s + ending: "value", "OTHER": "\n"}, tidied)
			_, err = tidyServiceSettings(map[string]string{s + ending: "va\rlue"}, all)
			require.ErrorContains(t, err, s+ending+" contains a carriage return (U+000D) inside its value")
		}
	}
}

func TestAServiceIsStartedWithTidySettings(t *testing.T) {
	t.Parallel()
	c := config(t, Service{Name: "orders", Build: func(env Env) (Components, error) {
		require.Equal(t, "http://payments:8005", env.Peers["payments"])
		return Components{}, nil
	}})
	c.All = append(c.Services, Service{Name: "payments"})
	c.Environ["ORDERS_LISTEN"], c.Environ["PAYMENTS_URL"] = "127.0.0.1:0\n", " http://payments:8005/\n"
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	require.NoError(t, s.Stop())
}

func TestAListMayBeWrittenOverSeveralLines(t *testing.T) {
	t.Parallel()
	list, err := tidyList("TROUPE_HOSTS", "shop.example,\n  *.shop.example,\n")
	require.NoError(t, err)
	require.Equal(t, "shop.example,*.shop.example", list)
}

func TestASecretIsRefusedRatherThanChanged(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"correct horse\n": "", "\ufeffcorrect horse\r\n": "", "correct horse\t": "",
		"correct horse ":    "the password begins or ends with a blank, which is easily lost",
		"\u00a0correct":     "the password begins or ends with a blank",
		"correct\nhorse":    "the password contains a line feed (U+000A) inside",
		"correct\x1bhorse ": "the password contains a control character (U+001B) inside",
	} {
		secret, err := Secret("the password", text)
		if want == "" {
			require.NoError(t, err)
			require.Equal(t, "correct horse", secret)
			continue
		}
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "horse")
	}
}
