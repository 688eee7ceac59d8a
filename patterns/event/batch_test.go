package event_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/patterns/event"
)

func TestABatchIsTheArrayOfItsEvents(t *testing.T) {
	t.Parallel()
	bodies := [][]byte{[]byte(`{"id":"a","data":[1,{"x":"]"}]}`), []byte(`{"id":"b"}`), []byte(`{}`)}
	joined := event.Join(bodies)
	require.True(t, json.Valid(joined))
	split, err := event.Split(joined)
	require.NoError(t, err)
	require.Equal(t, bodies, split)
	require.Equal(t, "a", event.ID(split[0]))
	require.Equal(t, "b", event.ID(split[1]))
	require.Empty(t, event.ID(split[2]))
}

func TestASplitBatchIsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		body := []byte(rapid.StringMatching(`[\[\]{}", 0-9a:\\ntrue]{0,40}`).Draw(t, "body"))
		var want []json.RawMessage
		invalid := json.Unmarshal(body, &want) != nil || want == nil
		split, err := event.Split(body)
		require.Equal(t, invalid, err != nil, "%s", body)
		if err == nil {
			require.Len(t, split, len(want))
			for i := range want {
				require.Equal(t, string(want[i]), string(split[i]))
			}
		}
	})
}

func TestABadBatchIsAnError(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "null", "{}", "[", "[{}", "[{},]", `"x"`, "[{}] x"} {
		_, err := event.Split([]byte(body))
		require.Error(t, err, body)
	}
	for _, body := range []string{"", "[]", "{", `{"id":1}`, "7"} {
		require.Empty(t, event.ID([]byte(body)), body)
	}
}

func TestTheRecipientIsThatOfTheEnvelope(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":"1","recipient":"orders","data":{}}`: "orders", `{"id":"1","data":{"recipient":"ada"}}`: "", `{"recipient":"orders"`: "", "{}": "",
	} {
		require.Equal(t, want, event.Recipient([]byte(body)), body)
	}
}

func TestTheMediaTypeOfABatch(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]bool{
		event.BatchContentType: true, "Application/CloudEvents-Batch+JSON; charset=utf-8": true,
		event.ContentType: false, "": false, "application/json": false,
	} {
		require.Equal(t, want, event.IsBatch(contentType), contentType)
	}
}
