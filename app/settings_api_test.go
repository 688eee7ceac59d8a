package app_test

import (
	"testing"

	"troupe/app"
	"troupe/app/servicetest"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
)

// configured is a service with settings, of which some are secret.
var configured = app.Service{
	Name: "configured", Migrations: careless.Migrations,
	Build: func(env app.Env) (app.Components, error) {
		var settings struct {
			Colour string   `env:"CONFIGURED_COLOUR" envDefault:"red"`
			Hosts  []string `env:"CONFIGURED_HOSTS"`
			Mail   string   `env:"CONFIGURED_MAIL"`
			Secret string   `env:"CONFIGURED_WORD" secret:"true"`
			Key    string   `env:"CONFIGURED_KEY"`
			Empty  string   `env:"CONFIGURED_PASSWORD"`
			File   string   `env:"CONFIGURED_PASSWORD_FILE"`
			DSN    string   `env:"CONFIGURED_DSN"`
			Spaced string   `env:"CONFIGURED_SPACED"`
			Relays string   `env:"CONFIGURED_RELAYS"`
			Odd    string   `env:"CONFIGURED_ODD"`
			Proxy  string   `env:"CONFIGURED_PROXY"`
		}
		if err := env.Settings(&settings); err != nil {
			return app.Components{}, err
		}
		return app.Components{Routes: func(*httpapi.API) {}}, nil
	},
}

func TestAnAdminSeesTheSettingsWithoutTheirSecrets(t *testing.T) {
	servicetest.Run(t, configured, func(t *testing.T, h *servicetest.Harness) {
		h.As("root", auth.Admin).Get(t, "/admin/settings").Want(t, 200,
			"settings.CONFIGURED_COLOUR", "red", "settings.CONFIGURED_HOSTS", "a.example,b.example", "settings.CONFIGURED_MAIL", "Shop <shop@a.example>",
			"settings.CONFIGURED_WORD", "(hidden)", "settings.CONFIGURED_KEY", "(hidden)", "settings.CONFIGURED_PASSWORD", "",
			"settings.CONFIGURED_PASSWORD_FILE", "/run/password", "settings.CONFIGURED_DSN", "(hidden)", "settings.CONFIGURED_SPACED", "(hidden)",
			"settings.CONFIGURED_RELAYS", "smtps://a@one.example/ smtps://b@two.example/,smtps://c@three.example", "settings.CONFIGURED_ODD", "(hidden)",
			"settings.CONFIGURED_PROXY", "https://ada@proxy.example/?pool=3&token=hidden", "settings.LOG_LEVEL", "INFO",
			"settings.DATABASE_URL", "postgres://troupe@db.example/shop?sslmode=disable")
		h.As("ada", auth.User).Get(t, "/admin/settings").Problem(t, 403, "role_required")
	}, servicetest.Setting("CONFIGURED_HOSTS", "a.example,b.example"), servicetest.Setting("CONFIGURED_MAIL", "Shop <shop@a.example>"),
		servicetest.Setting("CONFIGURED_WORD", "open sesame"), servicetest.Setting("CONFIGURED_KEY", "k1"),
		servicetest.Setting("CONFIGURED_PASSWORD_FILE", "/run/password"), servicetest.Setting("CONFIGURED_DSN", "host=db password=x"),
		servicetest.Setting("CONFIGURED_RELAYS", "smtps://a:pw1@one.example/ smtps://b:pw2@two.example/,smtps://c:pw3@three.example"),
		servicetest.Setting("CONFIGURED_ODD", "smtps://a:p,w@one.example"),
		servicetest.Setting("CONFIGURED_SPACED", "host=db Password = 'x'"),
		servicetest.Setting("CONFIGURED_PROXY", "https://ada:pw@proxy.example/?token=x&pool=3"),
		servicetest.Setting("DATABASE_URL", "postgres://troupe:pw@db.example/shop?sslmode=disable"))
}
