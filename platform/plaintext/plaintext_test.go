package plaintext_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/plaintext"
)

func TestHiddenCharactersAreFound(t *testing.T) {
	t.Parallel()
	for _, hidden := range []rune{
		0, '\a', '\t', '\n', '\r', 0x1b, 0x7f, 0x85, 0xad, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066, 0x2069,
		0xfeff, 0xfffe, 0x61c, 0x180e, 0xe0001, 0xe0041, 0x10ffff,
	} {
		got, found := plaintext.Hidden("12 St\u200d" + string(hidden) + "James")
		require.True(t, found, "%U", hidden)
		require.Equal(t, hidden, got)
	}
	for _, text := range []string{"", "東京都千代田区1-1", "علی\u200cرضا", "क्\u200dष", "👩\u200d🚀", "❤\ufe0f", "e\u0301", "a\u00a0b", "<b>&\"'"} {
		_, found := plaintext.Hidden(text)
		require.False(t, found, "%q", text)
	}
}

func TestTextOfSeveralLinesMayHaveLineBreaks(t *testing.T) {
	t.Parallel()
	_, found := plaintext.HiddenInLines("first\r\n\tsecond\n")
	require.False(t, found)
	for _, hidden := range []rune{0, '\a', 0x202e, 0x2028, 0x200b} {
		_, found := plaintext.HiddenInLines("first\n" + string(hidden))
		require.True(t, found, "%U", hidden)
	}
}

func TestTextOfFillersIsNotVisible(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", " ", "\u00a0\u3000", "\u200d", "\u3164", "\u115f", "\u2800", "\u0301", "\ufe0f"} {
		require.False(t, plaintext.HasVisible(text), "%q", text)
	}
	for _, text := range []string{"a", " .", "李", "🚀", "\u3164a"} {
		require.True(t, plaintext.HasVisible(text), "%q", text)
	}
}
