package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/patterns/event"
)

type itemAdded struct {
	Item string `json:"item"`
}

func (itemAdded) EventType() string       { return "item.added.v1" }
func (i itemAdded) CorrelationID() string { return i.Item }

func TestAnEventIsACloudEvent(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("CET", 3600)
	e, err := event.New("e1", "shop", time.Date(2026, 1, 1, 13, 0, 0, 120_000, zone), itemAdded{"mug"})
	require.NoError(t, err)
	e.Subject, e.CausationID, e.DataSchema = "item/mug", "e0", "https://api.shop.example/docs/events/item.added.v1.json"
	e.Traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	body, err := event.Encode(e)
	require.NoError(t, err)
	require.JSONEq(t, `{
		"specversion": "1.0",
		"datacontenttype": "application/json",
		"id": "e1",
		"source": "shop",
		"type": "item.added.v1",
		"dataschema": "https://api.shop.example/docs/events/item.added.v1.json",
		"subject": "item/mug",
		"time": "2026-01-01T12:00:00.000120Z",
		"correlationid": "mug",
		"causationid": "e0",
		"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"data": {"item": "mug"}
	}`, string(body))
}

func TestEmptyAttributesAreOmitted(t *testing.T) {
	t.Parallel()
	body, err := event.Encode(event.Envelope{ID: "e1", Source: "shop", Type: "item.added.v1", Data: json.RawMessage(`{}`)})
	require.NoError(t, err)
	for _, attribute := range []string{"dataschema", "subject", "correlationid", "causationid", "traceparent"} {
		require.NotContains(t, string(body), attribute)
	}
}

func TestDecodeIsTheReverseOfEncode(t *testing.T) {
	t.Parallel()
	for name, e := range map[string]event.Envelope{
		"complete": sample,
		"minimal":  {ID: "e1", Source: "shop", Type: "item.added.v1", Time: time.Unix(0, 0).UTC(), Data: json.RawMessage(`null`)},
		"special characters": {
			ID: `a "quoted" \ id`, Source: "größe/<b>&\u2028", Type: "t", Subject: "tab\there", Time: time.Unix(1, 1000).UTC(),
			CorrelationID: "😀", CausationID: "line\nbreak", Traceparent: "\x01", Data: json.RawMessage(`[1,"x",{"y":null}]`),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body, err := event.Encode(e)
			require.NoError(t, err)
			require.True(t, json.Valid(body))
			got, err := event.Decode(body)
			require.NoError(t, err)
			require.Equal(t, e, got)
		})
	}
}

// TestDecodeConformsToCloudEvents follows CloudEvents 1.0: section 3.1 of the specification and
// section 3 of its JSON format.
func TestDecodeConformsToCloudEvents(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 256)
	for name, test := range map[string]struct{ body, want string }{
		"only required attributes":     {`{"specversion":"1.0","id":"1","source":"/s","type":"t"}`, ""},
		"any order of attributes":      {`{"type":"t","data":{"id":"inner"},"source":"/s","id":"1","specversion":"1.0"}`, ""},
		"unknown extensions":           {`{"specversion":"1.0","id":"1","source":"/s","type":"t","comexampleflag":true,"n":4}`, ""},
		"white space":                  {" {\n\t\"specversion\" : \"1.0\" ,\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\"} \n", ""},
		"null is absent":               {`{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":null,"time":null}`, ""},
		"escapes":                      {`{"specversion":"1.0","id":"\u0031","source":"\/s","type":"t"}`, ""},
		"a time with an offset":        {`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T12:00:00+01:00"}`, ""},
		"no specversion":               {`{"id":"1","source":"/s","type":"t"}`, `specversion ""`},
		"another specversion":          {`{"specversion":"0.3","id":"1","source":"/s","type":"t"}`, `specversion "0.3"`},
		"no id":                        {`{"specversion":"1.0","source":"/s","type":"t"}`, "no id"},
		"an empty id":                  {`{"specversion":"1.0","id":"","source":"/s","type":"t"}`, "no id"},
		"an id that is a number":       {`{"specversion":"1.0","id":1,"source":"/s","type":"t"}`, "id is not a string"},
		"an id no database can store":  {`{"specversion":"1.0","id":"a\u0000b","source":"/s","type":"t"}`, "control characters"},
		"an id too long for a broker":  {`{"specversion":"1.0","id":"` + long + `","source":"/s","type":"t"}`, "256 bytes"},
		"no source":                    {`{"specversion":"1.0","id":"1","type":"t"}`, "no source"},
		"no type":                      {`{"specversion":"1.0","id":"1","source":"/s"}`, "no type"},
		"a type too long for a broker": {`{"specversion":"1.0","id":"1","source":"/s","type":"` + long + `"}`, "256 bytes"},
		"not a time":                   {`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"yesterday"}`, "time is not"},
		"a batch":                      {`[{"specversion":"1.0","id":"1","source":"/s","type":"t"}]`, "not a JSON object"},
		"empty body":                   {``, "not JSON"},
		"null":                         {`null`, "not a JSON object"},
		"data after the end":           {`{"specversion":"1.0","id":"1","source":"/s","type":"t"}{}`, "not JSON"},
		"an attribute with capitals":   {`{"specversion":"1.0","ID":"1","source":"/s","type":"t"}`, "no id"},
		"broken data":                  {`{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{]}`, "not JSON"},
		"binary data":                  {`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"AQ=="}`, "data_base64"},
		"data of another media type":   {`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"text/xml","data":"<a/>"}`, "text/xml"},
		"data of a JSON media type":    {`{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/vnd.x+json; charset=utf-8","data":1}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := event.Decode([]byte(test.body))
			if test.want != "" {
				require.ErrorContains(t, err, test.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "1", e.ID)
			require.Equal(t, "/s", e.Source)
			require.Equal(t, "t", e.Type)
		})
	}
}

func TestAPayloadThatIsNotJSONIsRejected(t *testing.T) {
	t.Parallel()
	_, err := event.New("e1", "shop", time.Now(), loop{})
	require.ErrorContains(t, err, "encode the data of loop.v1")
}

type loop struct{ F func() }

func (loop) EventType() string     { return "loop.v1" }
func (loop) CorrelationID() string { return "" }

func TestTheCauseTravelsInTheContext(t *testing.T) {
	t.Parallel()
	require.Nil(t, event.CauseFrom(t.Context()))
	cause := &event.Envelope{ID: "e1"}
	require.Same(t, cause, event.CauseFrom(event.WithCause(t.Context(), cause)))
}

// FuzzDecode checks that every event that can be decoded can be encoded, with the
// same meaning.
func FuzzDecode(f *testing.F) {
	body, err := event.Encode(sample)
	require.NoError(f, err)
	f.Add(body)
	f.Add([]byte(`{"specversion":"1.0","id":"1","source":"/s","type":"t","time":"2026-01-01T12:00:00+01:00","data":{"a":[1,2]}}`))
	f.Add([]byte(`{"specversion":"1.0","id":"\ud83d\ude00","source":"\u2028","type":"t\\","data":"\"","x":[{}],"y":{"id":"2"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := event.Decode(body)
		if err != nil {
			return
		}
		require.True(t, json.Valid(body), "accepted a body that is not JSON")
		require.NotEmpty(t, e.ID)
		again, err := event.Encode(e)
		require.NoError(t, err)
		require.True(t, json.Valid(again))
		got, err := event.Decode(again)
		require.NoError(t, err)
		require.True(t, e.Time.Truncate(time.Microsecond).Equal(got.Time))
		e.Time, got.Time = time.Time{}, time.Time{}
		if len(e.Data) > 0 {
			require.JSONEq(t, string(e.Data), string(got.Data))
		}
		e.Data, got.Data = nil, nil
		require.Equal(t, e, got)
	})
}
