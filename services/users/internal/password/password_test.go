package password

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	p := Policy{MinLength: 12}
	for _, good := range []string{
		"four nice grey whales", "ünïcödé ist schön", "k3#Vq!z9Lp2@", "839201748265",
		"a long one, " + strings.Repeat("not short, ", 90), "      x y z 1",
	} {
		require.NoError(t, p.Check(good, "ada@example.com", "body.password"), good)
	}
	for _, bad := range []string{
		"", "short", "elevenchars", "password1234", "Password!2024", "PASSWORD PASSWORD", "123456789012", "210987654321",
		"abcdefghijkl", "lkjihgfedcba", "qwertyuiopas", "1q2w3e4r5t6y", "aaaaaaaaaaaaa", "121212121212", "abcabcabcabc",
		"hello1hello1", "correct horse battery staple", "letmein!!!!!!", "lovelace-lovely", "LOVELACE 1815", strings.Repeat("long ", 205),
		strings.Repeat("long ", 200), "------------", strings.Repeat(" ", 12), "-_. -_. -_. -_.", strings.Repeat("-", MaxBytes),
	} {
		err := p.Check(bad, "lovelace@example.com", "body.password")
		require.True(t, fault.Is(err, fault.Invalid), bad)
	}
	require.NoError(t, p.Check("an apple a day", "an@example.com", "body.password"), "a short name is part of many good passwords")
}

// The key was computed by the reference implementation: echo -n 'four nice grey
// whales' | argon2 somesaltsomesalt -id -t 2 -k 19456 -p 1 -l 32 -e
const reference = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$tM2ikQjhoeuNYQizPDtpwYCyqQK3tgmcEyEW2uzkkqY"

func TestHashesEqualThoseOfTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	h := NewHasher(Standard, 1, func() {})
	ok, outdated, err := h.Match(t.Context(), "four nice grey whales", reference)
	require.NoError(t, err)
	require.True(t, ok)
	require.False(t, outdated)
	ok, _, err = h.Match(t.Context(), "four nice grey whale", reference)
	require.NoError(t, err)
	require.False(t, ok)
}

func TestAHashIsSalted(t *testing.T) {
	t.Parallel()
	h := NewHasher(Insecure, 1, func() {})
	one, err := h.Hash(t.Context(), SignIns, "the same")
	require.NoError(t, err)
	other, err := h.Hash(t.Context(), SignIns, "the same")
	require.NoError(t, err)
	require.NotEqual(t, one, other)
}

// The same password comes in other bytes from another keyboard: reports
// matrix-org/synapse#3306, ulsklyc/yuvomi#608, usnistgov/800-63-3#301.
func TestAPasswordIsTheSameOnEveryKeyboard(t *testing.T) {
	t.Parallel()
	const composed, decomposed = "vier gro\u00dfe gr\u00fcne V\u00f6gel", "vier gro\u00dfe gru\u0308ne Vo\u0308gel"
	h := NewHasher(Insecure, 1, func() {})
	for _, chosen := range []string{composed, decomposed} {
		stored, err := h.Hash(t.Context(), SignIns, chosen)
		require.NoError(t, err)
		for _, typed := range []string{composed, decomposed} {
			ok, outdated, err := h.Match(t.Context(), typed, stored)
			require.NoError(t, err)
			require.True(t, ok)
			require.False(t, outdated)

			// Earlier versions hashed the bytes that were sent.
			ok, outdated, err = h.Match(t.Context(), typed, newHash(chosen, Insecure).String())
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, chosen == decomposed, outdated)
		}
		ok, _, err := h.Match(t.Context(), "vier grosse grune Vogel", stored)
		require.NoError(t, err)
		require.False(t, ok)
	}
	p := Policy{MinLength: 12}
	require.Error(t, p.Check(strings.Repeat("u\u0308", 11), "", "body.password"), "11 characters, however they are sent")
}

func TestAHashOfAnotherCostIsOutdated(t *testing.T) {
	t.Parallel()
	stored, err := NewHasher(Insecure, 1, func() {}).Hash(t.Context(), SignIns, "pass")
	require.NoError(t, err)
	ok, outdated, err := NewHasher(Cost{MemoryKiB: 16, Time: 1, Threads: 1}, 1, func() {}).Match(t.Context(), "pass", stored)
	require.NoError(t, err)
	require.True(t, ok)
	require.True(t, outdated)
}

func TestNoPasswordMatchesAnUnknownAccount(t *testing.T) {
	t.Parallel()
	computed := 0
	h := NewHasher(Insecure, 1, func() { computed++ })
	ok, _, err := h.Match(t.Context(), "", "")
	require.NoError(t, err)
	require.False(t, ok)
	require.Equal(t, 1, computed, "the same work is done")
}

func TestMalformedAndCostlyHashesAreRejected(t *testing.T) {
	t.Parallel()
	const rest = "$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	_, err := parseHash("$argon2id$v=19$m=19456,t=2,p=1" + rest)
	require.NoError(t, err)
	for _, bad := range []string{
		"", "plain", "$2a$10$abcdefghijklmnopqrstuv", "$argon2i$v=19$m=19456,t=2,p=1" + rest, "$argon2id$v=16$m=19456,t=2,p=1" + rest,
		"$argon2id$v=19$m=4294967295,t=2,p=1" + rest, "$argon2id$v=19$m=19456,t=99999,p=1" + rest, "$argon2id$v=19$m=19456,t=2,p=255" + rest,
		"$argon2id$v=19$m=0,t=2,p=1" + rest, "$argon2id$v=19$m=-1,t=2,p=1" + rest, "$argon2id$v=19$m=019456,t=2,p=1" + rest,
		"$argon2id$v=19$m=19456,t=2" + rest, "$argon2id$v=19$t=2,m=19456,p=1" + rest, "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=1" + rest + "$", "$argon2id$v=19$m=19456,t=2,p=1" + rest + "=",
	} {
		_, err := parseHash(bad)
		require.Error(t, err, bad)
	}
}

// FuzzThePolicyJudgesEveryPassword feeds the policy any input, because clients choose
// it: it must decide about everything, and what it accepts must satisfy its own rules.
func FuzzThePolicyJudgesEveryPassword(f *testing.F) {
	f.Add("four nice grey whales", "ada@example.com")
	f.Add("PASSWORD PASSWORD", "@")
	f.Add("210987654321", "")
	f.Fuzz(func(t *testing.T, password, email string) {
		p := Policy{MinLength: 12}
		err := p.Check(password, email, "body.password")
		if err != nil {
			require.True(t, fault.Is(err, fault.Invalid), err)
			return
		}
		require.LessOrEqual(t, len(password), MaxBytes)
		require.GreaterOrEqual(t, utf8.RuneCountInString(password), 12)
		require.NotEmpty(t, strings.Trim(password, "-_. "))
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add(reference)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=99999999999,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err != nil {
			return
		}
		require.Equal(t, text, h.String())
		require.LessOrEqual(t, h.cost.MemoryKiB, uint32(maxMemoryKiB))
		require.LessOrEqual(t, h.cost.Time, uint32(maxTime))
	})
}

func BenchmarkHash(b *testing.B) {
	h := NewHasher(Standard, 1, func() {})
	for b.Loop() {
		if _, err := h.Hash(b.Context(), SignIns, "four nice grey whales"); err != nil {
			b.Fatal(err)
		}
	}
}
