package auth

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

func TestVerifyRefusesEveryForgedToken(t *testing.T) {
	t.Parallel()
	f := newForger(t)
	v := NewVerifier(VerifierConfig{Static: f.jwks, Now: func() time.Time { return start }})
	for _, valid := range []string{
		f.signed(nil, nil),
		f.signed(nil, object{"aud": []string{"another", Audience}}),
		f.signed(nil, object{"nbf": start.Unix() + 20}),
		f.signed(nil, object{"exp": start.Unix() - 29}),
		f.signed(object{"jku": "https://evil.example/keys", "x5u": "https://evil.example/cert", "unknown": 1}, object{"unknown": object{}}),
	} {
		c, err := v.Verify(t.Context(), valid)
		require.NoError(t, err)
		require.Equal(t, "ada", c.UserID)
	}

	attacks := merge(f.unsigned(), f.wronglySigned(), f.wrongHeaders(), f.wrongClaims(), f.wrongForms())
	require.Greater(t, len(attacks), 80)
	for name, raw := range attacks {
		c, err := v.Verify(t.Context(), raw)
		require.Error(t, err, name)
		require.True(t, fault.Is(err, fault.Unauthenticated), "%s: %v", name, err)
		require.Zero(t, c, name)
	}
}

func merge(all ...map[string]string) map[string]string {
	merged := map[string]string{}
	for _, some := range all {
		maps.Copy(merged, some)
	}
	return merged
}

func (f *forger) unsigned() map[string]string {
	attacks := map[string]string{}
	good := f.signed(nil, nil)
	body := good[:strings.LastIndexByte(good, '.')]
	attacks["signature stripped"] = body + "."
	attacks["signature and dot stripped"] = body
	for _, alg := range []string{"none", "None", "NONE", "nOnE", "", "none ", "\x00none"} {
		input := b64([]byte(f.json(f.header(object{"alg": alg})))) + "." + b64([]byte(f.json(f.claims(nil))))
		attacks[fmt.Sprintf("alg %q without signature", alg)] = input + "."
		attacks[fmt.Sprintf("alg %q with the old signature", alg)] = input + good[len(body):]
	}
	return attacks
}

func (f *forger) wronglySigned() map[string]string {
	good := f.signed(nil, nil)
	body := good[:strings.LastIndexByte(good, '.')]
	digest := sha256.Sum256([]byte(body))
	der, err := ecdsa.SignASN1(rand.Reader, f.key, digest[:])
	require.NoError(f.t, err)
	order := f.key.Params().N.Bytes()
	signature, err := base64.RawURLEncoding.DecodeString(good[len(body)+1:])
	require.NoError(f.t, err)
	attacks := map[string]string{
		"another key":     f.es256(f.attackers, f.json(f.header(nil)), f.json(f.claims(nil))),
		"r = s = 0":       body + "." + b64(make([]byte, 64)),
		"r = s = n":       body + "." + b64(append(order, order...)),
		"DER":             body + "." + b64(der),
		"a byte short":    body + "." + b64(signature[:63]),
		"a byte long":     body + "." + b64(append(append([]byte{}, signature...), 0)),
		"twice":           body + "." + b64(append(append([]byte{}, signature...), signature...)),
		"r and s swapped": body + "." + b64(append(append([]byte{}, signature[32:]...), signature[:32]...)),
		"signature of the claims of another": strings.Split(f.signed(nil, object{"sub": "eve"}), ".")[0] + "." +
			strings.Split(f.signed(nil, object{"sub": "eve"}), ".")[1] + "." + b64(signature),
		"alg ES384 with an ES256 signature": f.signed(object{"alg": "ES384"}, nil),
		"alg es256 in lower case":           f.signed(object{"alg": "es256"}, nil),
	}
	for form, secret := range f.publicKeyForms() {
		for _, alg := range []string{"HS256", "HS384", "ES256"} {
			attacks[alg+" HMAC keyed with the public key as "+form] = f.hs256(alg, secret)
		}
	}
	return attacks
}

func (f *forger) wrongHeaders() map[string]string {
	jwk := jose.JSONWebKey{Key: &f.attackers.PublicKey, KeyID: "own"}
	byOwnKey := func(header object) string {
		return f.es256(f.attackers, f.json(f.header(header)), f.json(f.claims(nil)))
	}
	attacks := map[string]string{
		"own key in jwk":                  byOwnKey(object{"jwk": jwk}),
		"own key in jwk, its kid":         byOwnKey(object{"jwk": jwk, "kid": "own"}),
		"own key behind jku":              byOwnKey(object{"jku": "https://evil.example/keys"}),
		"own certificate behind x5u":      byOwnKey(object{"x5u": "https://evil.example/cert"}),
		"own certificate in x5c":          byOwnKey(object{"x5c": []string{"MIIB"}}),
		"no kid":                          f.signed(object{"kid": nil}, nil),
		"kid of another type":             f.signed(object{"kid": 7}, nil),
		"unknown critical extension":      f.signed(object{"crit": []string{"exp"}, "exp": 1}, nil),
		"empty list of critical":          f.signed(object{"crit": []string{}}, nil),
		"payload not in base64":           f.signed(object{"crit": []string{"b64"}, "b64": false}, nil),
		"b64 without crit":                f.signed(object{"b64": true}, nil),
		"header is a list":                f.es256(f.key, `["ES256"]`, f.json(f.claims(nil))),
		"header is null":                  f.es256(f.key, `null`, f.json(f.claims(nil))),
		"header with text after it":       f.es256(f.key, f.json(f.header(nil))+`{}`, f.json(f.claims(nil))),
		"header with two algs":            f.es256(f.key, `{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"`+f.keyID+`"}`, f.json(f.claims(nil))),
		"header with two kids":            f.es256(f.key, `{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"`+f.keyID+`"}`, f.json(f.claims(nil))),
		"header names in capital letters": f.es256(f.key, `{"ALG":"ES256","TYP":"at+jwt","KID":"`+f.keyID+`"}`, f.json(f.claims(nil))),
	}
	for _, typ := range []any{"JWT", "jwt", "AT+JWT", "application/at+jwt", "at+jwt ", "id+jwt", "", nil, 7} {
		attacks[fmt.Sprintf("typ %v", typ)] = f.signed(object{"typ": typ}, nil)
	}
	for _, kid := range []string{
		"unknown", "../../../../dev/null", "/dev/null", "' UNION SELECT 'x", "| sleep 1", "http://evil.example/key", "\x00", strings.Repeat("k", 4000),
		strings.ToUpper(f.keyID), f.keyID + " ", " " + f.keyID, f.keyID + "\x00",
	} {
		attacks[fmt.Sprintf("kid %.20q", kid)] = f.signed(object{"kid": kid}, nil)
	}
	return attacks
}

func (f *forger) wrongClaims() map[string]string {
	attacks := map[string]string{
		"two subs":             f.es256(f.key, f.json(f.header(nil)), strings.Replace(f.json(f.claims(nil)), `{`, `{"sub":"eve",`, 1)),
		"two roles":            f.es256(f.key, f.json(f.header(nil)), strings.Replace(f.json(f.claims(nil)), `{`, `{"role":"admin",`, 1)),
		"claims are a list":    f.es256(f.key, f.json(f.header(nil)), `[]`),
		"claims are no JSON":   f.es256(f.key, f.json(f.header(nil)), `sub=ada`),
		"no claims":            f.es256(f.key, f.json(f.header(nil)), ``),
		"names in capitals":    f.es256(f.key, f.json(f.header(nil)), strings.ToUpper(f.json(f.claims(nil)))),
		"not yet valid":        f.signed(nil, object{"nbf": start.Unix() + 31}),
		"just expired":         f.signed(nil, object{"exp": start.Unix() - 30}),
		"aud in another claim": f.signed(nil, object{"aud": nil, "audience": Audience}),
	}
	for claim, values := range map[string][]any{
		"iss":  {nil, "", "Troupe-users", Issuer + "/", 7, []string{Issuer}, "https://evil.example"},
		"aud":  {nil, "", "troupe2", "TROUPE", 7, []string{}, []any{7}, object{"troupe": 1}, []string{"other"}},
		"sub":  {nil, "", 7},
		"sid":  {nil, "", 7},
		"role": {nil, "", "root", "Admin", 7, []string{"admin"}},
		"exp": {
			nil, 0, -1, start.Add(-time.Hour).Unix(), "1767268800", 1.5, float64(start.Unix()) + 600.5, true,
			int64(1) << 62, uint64(1) << 63, jsonNumber("18446744073709551615"), jsonNumber("1e20"), jsonNumber("1e400"), jsonNumber("-1e400"), jsonNumber("9223372036854775807"),
			jsonNumber("-9223372036854775808"),
		},
		"nbf": {"soon", 1.5, int64(1) << 62},
		"iat": {"now", 1.5},
	} {
		for _, value := range values {
			attacks[fmt.Sprintf("%s = %v (%T)", claim, value, value)] = f.signed(nil, object{claim: value})
		}
	}
	return attacks
}

type jsonNumber string

func (n jsonNumber) MarshalJSON() ([]byte, error) { return []byte(n), nil }

func (f *forger) wrongForms() map[string]string {
	good := f.signed(nil, nil)
	p := strings.Split(good, ".")
	spare := lastCharacterBits(p[2])
	return map[string]string{
		"empty":                    "",
		"dots":                     "..",
		"many dots":                strings.Repeat(".", 8000),
		"one part":                 p[0],
		"four parts":               good + ".",
		"JWE":                      p[0] + "." + p[1] + "." + p[2] + "." + p[1] + "." + p[2],
		"JSON serialization":       fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2]),
		"general JSON":             fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, p[1], p[0], p[2]),
		"padding":                  good + "==",
		"standard base64":          p[0] + "." + p[1] + "." + strings.NewReplacer("-", "+", "_", "/").Replace(p[2]) + "+/",
		"line break":               p[0] + "." + p[1] + "." + p[2][:10] + "\r\n" + p[2][10:],
		"spare bits not zero":      p[0] + "." + p[1] + "." + p[2][:len(p[2])-1] + spare,
		"space before":             " " + good,
		"space after":              good + " ",
		"Bearer twice":             "Bearer " + good,
		"two tokens":               good + "," + good,
		"no UTF-8":                 "\xff\xfe." + p[1] + "." + p[2],
		"100 KB of dots":           strings.Repeat(".", 100_000),
		"100 KB":                   strings.Repeat("A", 100_000),
		"valid but 8 KiB too long": f.signed(nil, object{"padding": strings.Repeat("x", 8<<10)}),
		"deep nesting":             f.es256(f.key, f.json(f.header(nil)), strings.Repeat(`[`, 3000)),
	}
}

// lastCharacterBits returns another spelling of the last base64 character of a
// signature of 64 bytes, of which only two bits count.
func lastCharacterBits(signature string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	return string(alphabet[strings.IndexByte(alphabet, signature[len(signature)-1])|1])
}

func TestAKeyNamedInTheTokenIsNeverFetched(t *testing.T) {
	t.Parallel()
	fetched := make(chan string, 10)
	evil := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { fetched <- r.URL.Path }))
	defer evil.Close()
	f := newForger(t)
	v := NewVerifier(VerifierConfig{Static: f.jwks, Now: func() time.Time { return start }})
	for _, header := range []object{{"jku": evil.URL}, {"x5u": evil.URL}, {"kid": evil.URL}, {"jku": evil.URL, "kid": "other"}} {
		_, err := v.Verify(t.Context(), f.es256(f.attackers, f.json(f.header(header)), f.json(f.claims(nil))))
		require.True(t, fault.Is(err, fault.Unauthenticated))
	}
	require.Empty(t, fetched)
}

func FuzzVerify(f *testing.F) {
	forge := newForger(f)
	good := forge.signed(nil, nil)
	for _, raw := range merge(forge.unsigned(), forge.wronglySigned(), forge.wrongHeaders(), forge.wrongClaims(), forge.wrongForms()) {
		f.Add(raw)
	}
	f.Add(good)
	v := NewVerifier(VerifierConfig{Static: forge.jwks, Now: func() time.Time { return start }})
	f.Fuzz(func(t *testing.T, raw string) {
		c, err := v.Verify(t.Context(), raw)
		if raw == good {
			require.NoError(t, err)
			return
		}
		require.True(t, fault.Is(err, fault.Unauthenticated), "accepted as %v", c)
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newForger(b)
	now := func() time.Time { return start }
	b.Run("known token", func(b *testing.B) {
		raw := f.signed(nil, nil)
		v := NewVerifier(VerifierConfig{Static: f.jwks, Now: now})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("new token", func(b *testing.B) {
		raw := f.signed(nil, nil)
		v := NewVerifier(VerifierConfig{Static: f.jwks, Now: now})
		b.ReportAllocs()
		for b.Loop() {
			v.cache = newTokenCache()
			if _, err := v.Verify(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("forged signature", func(b *testing.B) {
		raw := f.es256(f.attackers, f.json(f.header(nil)), f.json(f.claims(nil)))
		v := NewVerifier(VerifierConfig{Static: f.jwks, Now: now})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(b.Context(), raw); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
