package app

import (
	"context"
	"strconv"
	"strings"

	"troupe/patterns/journal"
	"troupe/platform/auth"
	"troupe/platform/httpapi"
)

// keptRecords are records of a process that cannot send them to the console.
type keptRecords struct {
	Instance string           `json:"instance" doc:"The running process, by host name and process id"`
	Last     int64            `json:"last" doc:"The number of the last record; ask for what follows with after=INSTANCE/LAST"`
	Items    []journal.Record `json:"items"`
}

type keptRecordsRequest struct {
	After string `query:"after" maxLength:"300" doc:"INSTANCE/NUMBER: only what this process recorded afterwards; another process begins with its oldest"`
}

type keptRecordsResponse struct{ Body keptRecords }

// serveJournal adds the operation with which the console reads what this process has recorded,
// if it cannot be sent.
func serveJournal(api *httpapi.API, instance string, kept *journal.Kept) {
	if kept == nil {
		return
	}
	read := func(_ context.Context, r *keptRecordsRequest) (*keptRecordsResponse, error) {
		number := int64(0)
		if at := strings.LastIndexByte(r.After, '/'); at > 0 && r.After[:at] == instance {
			number, _ = strconv.ParseInt(r.After[at+1:], 10, 64) // what is no number begins with the oldest
		}
		records, last := kept.After(number)
		return &keptRecordsResponse{keptRecords{instance, last, records}}, nil
	}
	httpapi.Get(api, "/admin/journal", read, httpapi.RequireRole(auth.Admin), httpapi.Summary("Read what this process has recorded for the console"))
}
