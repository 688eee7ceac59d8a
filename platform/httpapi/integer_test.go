package httpapi_test

import (
	"context"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/httpapi"
)

// An integer is an integer however a client's library writes it: reports t-unit/tonik#174,
// bazelbuild/rules_webtesting#169 and block/ftl#4874.
func TestAnIntegerMayBeWrittenWithAPoint(t *testing.T) {
	t.Parallel()
	type change struct {
		Body struct {
			Delta int64   `json:"delta"`
			Rate  float64 `json:"rate,omitempty"`
			Note  string  `json:"note,omitempty"`
		}
	}
	s := newShop(t)
	var got change
	httpapi.Post(s.api, "/changes", func(_ context.Context, in *change) (*struct{}, error) {
		got = *in
		return nil, nil
	}, httpapi.Public())
	for written, want := range map[string]int64{
		"2.0": 2, "2e0": 2, "1E+2": 100, "-1.50e1": -15, "0.0": 0, "-0.0": 0, "-0": 0, "7": 7, "500e-2": 5,
		"9.223372036854775807e18": 1<<63 - 1, "9223372036854775807.0": 1<<63 - 1,
	} {
		w := s.send(t, "POST /changes", `{"rate":2.5e0,"delta": `+written+` ,"note":"2.0"}`)
		require.Equal(t, http.StatusNoContent, w.Code, "%s: %s", written, w.Body)
		require.Equal(t, want, got.Body.Delta, written)
		require.InDelta(t, 2.5, got.Body.Rate, 0)
		require.Equal(t, "2.0", got.Body.Note)
	}
	for _, written := range []string{"1.5", "1e-1", "9.3e18", "1e400", "1e999999999999999999999", "1e40000000", "-1e19", strconv.Quote("2.0")} {
		w := s.send(t, "POST /changes", `{"delta":`+written+`}`)
		require.Contains(t, []int{400, 422}, w.Code, "%s: %s", written, w.Body)
	}
}
