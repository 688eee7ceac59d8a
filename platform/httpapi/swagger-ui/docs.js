// The colours are those that the system prefers, and change with it.
const dark = matchMedia("(prefers-color-scheme: dark)");
const paint = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", paint);
paint();

// Requests go to the origin of this page, whatever address the document names: a browser
// that came through a tunnel or a proxy reaches no other.
const here = new URL(".", location.href).href.replace(/\/$/, "");
const callThisOrigin = (original) => (spec) => original({ ...spec, servers: [{ url: here }] });

// Of a sign-in only the access token is kept, which expires after minutes: the browser
// stores what is kept, and so the password and the refresh token must not be part of it.
const keepTheToken = (original) => ({ auth, token }) => original({
  auth: { name: auth.name, schema: auth.schema },
  token: { access_token: token.access_token, token_type: token.token_type },
});

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: true,
  plugins: [{
    statePlugins: {
      auth: { wrapActions: { authorizeOauth2: keepTheToken } },
      spec: { wrapActions: { updateJsonSpec: callThisOrigin } },
    },
  }],
  tryItOutEnabled: true,
  validatorUrl: null, // the validator at swagger.io would be sent the document
});
