package httpapi_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

func TestConditionsAreThoseOfRFC9110(t *testing.T) {
	t.Parallel()
	tag := httpapi.NewETag("4", "17")
	require.Equal(t, httpapi.ETag(`"4.17"`), tag)
	for _, c := range []struct {
		match, noneMatch string
		current          httpapi.ETag
		refused          string // "": it is carried out
	}{
		{"", "", tag, ""},
		{"", "", "", ""},
		{`"4.17"`, "", tag, ""},
		{`"4.16"`, "", tag, ""}, // only what no request overwrites has changed
		{`"3.17"`, "", tag, "precondition_failed"},
		{`W/"4.17"`, "", tag, "precondition_failed"},
		{`"3.1" , "4.17"`, "", tag, ""},
		{`,"3.1",,`, "", tag, "precondition_failed"},
		{`"with, comma", "4.17"`, "", tag, ""},
		{"*", "", tag, ""},
		{"*", "", "", "precondition_failed"},
		{`"4.17"`, "", "", "precondition_failed"},
		{"4.17", "", tag, "if_match_malformed"},
		{`"4.17`, "", tag, "if_match_malformed"},
		{`"4.17", *`, "", tag, "if_match_malformed"},
		{"", "*", tag, "precondition_failed"},
		{"", "*", "", ""},
		{"", `W/"4.17"`, tag, "precondition_failed"},
		{"", `"3"`, tag, ""},
		{`"4.17"`, "*", tag, "precondition_failed"},
	} {
		err := httpapi.Conditional{IfMatch: c.match, IfNoneMatch: c.noneMatch}.Check(c.current)
		require.Equal(t, c.refused, fault.CodeOf(err), c)
	}
}

type chair struct {
	ETag httpapi.ETag `header:"ETag"`
	Body struct {
		Legs int `json:"legs"`
	}
}

type getChair struct {
	httpapi.ConditionalGet
}

type putChair struct {
	httpapi.Conditional
	Body struct {
		Legs int `json:"legs"`
	}
}

func TestConditionalOperationsAreDocumentedAndAnswered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	tag := httpapi.NewETag("1")
	httpapi.Get(s.api, "/chair", func(context.Context, *getChair) (*chair, error) { return &chair{ETag: tag}, nil }, httpapi.Public())
	httpapi.Put(s.api, "/chair", func(_ context.Context, in *putChair) (*chair, error) {
		return &chair{ETag: tag}, in.Check(tag)
	}, httpapi.Public())

	for _, method := range []string{"GET", "HEAD"} {
		w := s.send(t, method+" /chair", "", "If-None-Match", `"0"`, "If-None-Match", `W/"1"`)
		require.Equal(t, http.StatusNotModified, w.Code)
		require.Zero(t, w.Body.Len())
		require.Equal(t, `"1"`, w.Header().Get("ETag"))
		require.Empty(t, w.Header().Get("Content-Type"))
	}
	lines := s.logged(t)
	require.EqualValues(t, http.StatusNotModified, lines[len(lines)-1]["status"])
	require.Equal(t, http.StatusOK, s.send(t, "GET /chair", "", "If-None-Match", `"0"`).Code)
	require.Equal(t, http.StatusOK, s.send(t, "GET /books", "", "If-None-Match", "*").Code, "a response without a tag")

	require.Equal(t, http.StatusOK, s.send(t, "PUT /chair", `{"legs":3}`, "If-Match", `"0"`, "If-Match", `"1"`).Code)
	w := s.send(t, "PUT /chair", `{"legs":3}`, "If-Match", `"0"`)
	require.Equal(t, http.StatusPreconditionFailed, w.Code)
	require.Equal(t, "precondition_failed", requireProblem(t, w).Code)

	var document struct {
		Paths map[string]map[string]struct {
			Responses  map[string]any
			Parameters []struct{ Name, In string }
		}
	}
	decodeBody(t, s.send(t, "GET /openapi.json", ""), &document)
	get, put := document.Paths["/chair"]["get"], document.Paths["/chair"]["put"]
	require.Contains(t, get.Responses, "304")
	require.NotContains(t, get.Responses, "412")
	require.Contains(t, put.Responses, "412")
	require.Equal(t, "If-None-Match", get.Parameters[0].Name)
	require.Equal(t, "If-Match", put.Parameters[0].Name)
	require.NotContains(t, document.Paths["/orders"]["post"].Responses, "412")
}
