package password

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
)

// wellKnown are passwords of at least 12 characters that people are known to choose.
var wellKnown = strings.Fields(`
	P@ssword1234 Winter2026!! Aa123456789! 112233445566 q1w2e3r4t5y6 123qweasdzxc iloveyouforever manchesterunited TroupeTroupe1
	password1234 Password1234 Password123! P@ssw0rd1234 P@ssw0rd2024 Passw0rd!!!! passwordpassword password12345 password!2025
	mypassword123 MyPassword1! thisismypassword changeme1234 ChangeMe2024! Welcome12345 Welcome2025! Welcome@1234 letmein12345
	letmeinletmein qwerty123456 Qwerty12345! qwertyuiop12 qwertyqwerty qwertyuiop[] 1qaz2wsx3edc 1qaz2wsx3edc4rfv !QAZ2wsx3edc
	1q2w3e4r5t6y zaq12wsxcde3 qazwsxedcrfv zxcvbnm12345 asdfghjkl123 asdfghjkl;'\ 123456789012 1234567890123 012345678910
	123123123123 111111111111 000000000000 121212121212 abcdefghijkl abc123abc123 abc123456789 a1b2c3d4e5f6 aaaaaaaaaaaa
	Summer2025!! Summer2026!! Spring2026!! Autumn2025!! January2026! December2025 Monday123456 October2024! Sunshine1234
	princess1234 dragon123456 football1234 baseball2024 superman1234 batman123456 starwars1977 pokemon12345 michael12345
	jennifer1234 jordan232323 liverpool123 chelsea12345 arsenal12345 barcelona123 realmadrid12 iloveyou1234 iloveyou!!!!
	iloveyou2024 fuckyou12345 admin1234567 administrator administrator1 Admin@123456 root12345678 testtesttest test12345678
	secret123456 supersecret1 trustno1trustno1 letmein00000 monkey123456 shadow123456 master123456 correcthorsebatterystaple
	computer1234 internet2024 samsung12345 google123456 facebook1234 Troupe2026!! troupe123456 hunter2hunter2 whatever1234
	charlie12345 ashley123456 justinbieber motherfucker leavemealone sonyericsson needforspeed unbelievable`)

func TestWellKnownPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	require.Greater(t, len(wellKnown), 93)
	for _, known := range wellKnown {
		require.GreaterOrEqual(t, len(known), 12, known)
		err := Policy{MinLength: 12}.Check(known, "ada@example.com", "body.password")
		require.True(t, fault.Is(err, fault.Invalid), known)
	}
}

func TestGoodPasswordsAreNotTakenForKnownOnes(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"four nice grey whales", "a bucket full of keys", "a passphrase only for tests", "a better password still", "troupe-development-only",
		"my dog eats 3 shoes", "kX9#mQ2$vL7@", "purple monkey dishwasher", "Tr0ub4dor&3-horse", "wir fahren morgen nach Bonn", "дом у реки 1978",
	} {
		require.NoError(t, Policy{MinLength: 12}.Check(good, "ada@example.com", "body.password"), good)
	}
}

// TestFewGoodPasswordsAreRefused measures the false positives with random passwords: at
// most 10 look-ups, each wrong once in 100,000.
func TestFewGoodPasswordsAreRefused(t *testing.T) {
	t.Parallel()
	const tried, alphabet = 20_000, "abcdefghijkmnpqrstuvwxyzACDEFGHJKLMNPQRTUVWXYZ2346789#$%&*+-=?@"
	refused := 0
	state := uint64(88172645463325252) // xorshift64: the same passwords in every run
	for range tried {
		random := make([]byte, 14)
		for i := range random {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			random[i] = alphabet[state%uint64(len(alphabet))]
		}
		if (Policy{MinLength: 12}).Check(string(random), "ada@example.com", "body.password") != nil {
			refused++
		}
	}
	require.LessOrEqual(t, refused, tried/2000)
}
