package console

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"troupe/patterns/journal"
	"troupe/platform/fault"
	"troupe/platform/httpapi"
	"troupe/platform/timestamp"
	"troupe/services/console/internal/story"
	"troupe/services/console/internal/view"
)

const (
	bundleVersion = 1
	bundleLimit   = httpapi.MaxBody // bytes; what is exported can be opened again, through the gateway too
	bundleFrame   = 1 << 10         // bytes of a bundle beside its story and its records
)

// bundle is an order with all that its story is made of, as a file that can be opened in
// another console.
type bundle struct {
	Version    int               `json:"version" enum:"1" doc:"Of the form of the file"`
	ExportedAt timestamp.Time    `json:"exported_at"`
	Story      view.Order        `json:"story"`
	Records    []json.RawMessage `json:"records" maxItems:"20000" doc:"The records of the journal"`
}

type bundleResponse struct {
	Disposition string `header:"Content-Disposition"`
	Body        bundle
}

// bundleFile is what of a bundle is read.
type bundleFile struct {
	Version    int               `json:"version" doc:"Of the form of the file: 1"`
	ExportedAt timestamp.Time    `json:"exported_at" doc:"The story is as of then"`
	Records    []json.RawMessage `json:"records" maxItems:"20000" doc:"The records of the journal"`
	Story      json.RawMessage   `json:"story,omitempty" doc:"Is not read: the story is made anew from the records"`
}

type renderBundleRequest struct{ Body bundleFile }

func (c *console) getBundle(ctx context.Context, in *getOrderRequest) (*bundleResponse, error) {
	o, records, err := c.order(ctx, in.ID, in.Authorization)
	if err != nil {
		return nil, err
	}
	b, err := c.newBundle(o, records)
	if err != nil {
		return nil, err
	}
	return &bundleResponse{Disposition: `attachment; filename="order-` + url.PathEscape(o.ID) + `.json"`, Body: b}, nil
}

// newBundle returns the bundle of an order. Of an order that is too large for a file that can be
// opened again, it leaves out spans, lines of the log and then records in the middle.
func (c *console) newBundle(o view.Order, records []journal.Record) (bundle, error) {
	for {
		b := bundle{Version: bundleVersion, ExportedAt: timestamp.Of(c.Now()), Story: o, Records: make([]json.RawMessage, len(records))}
		size := bundleFrame
		for i, r := range records {
			text, err := json.Marshal(r)
			if err != nil {
				return bundle{}, err
			}
			b.Records[i] = text
			size += len(text) + 1
		}
		text, err := json.Marshal(o)
		if err != nil {
			return bundle{}, err
		}
		if size += len(text); size <= bundleLimit || len(records) == 0 {
			return b, nil
		}
		records = fewer(records)
		mails := o.Mails
		o = story.Build(records, c.Now())
		o.Mails = mails
	}
}

// fewer returns about two thirds of the records of an order, with a gap for those left out:
// its steps if there are others to leave out, else its first and its last ones.
func fewer(records []journal.Record) []journal.Record {
	steps := slices.DeleteFunc(slices.Clone(records), func(r journal.Record) bool { return r.Span != nil || r.Line != nil })
	if len(steps) < len(records) {
		return steps
	}
	third := len(records) / 3
	if third == 0 {
		return nil
	}
	gap := journal.Record{Kind: journal.Dropped, At: records[third].At, Service: records[third].Service, OrderID: records[third].OrderID, Lost: third}
	return slices.Concat(records[:third], []journal.Record{gap}, records[2*third:])
}

func (c *console) renderBundle(_ context.Context, in *renderBundleRequest) (*orderResponse, error) {
	if in.Body.Version != bundleVersion {
		return nil, fault.New(fault.Invalid, "bundle_version_unknown", "the file has the version %d; this console reads version %d", in.Body.Version, bundleVersion)
	}
	records := make([]journal.Record, len(in.Body.Records))
	for i, r := range in.Body.Records {
		if err := json.Unmarshal(r, &records[i]); err != nil {
			return nil, fault.New(fault.Invalid, "bundle_invalid", "record %d of the file is not a record of the journal; export the order again", i).WithCause(err)
		}
	}
	if len(records) == 0 {
		return nil, fault.New(fault.Invalid, "bundle_empty", "the file has no records; export the order again")
	}
	o := story.Build(records, in.Body.ExportedAt.Time)
	if _, err := json.Marshal(o); err != nil { // such as a time after the year 9999
		return nil, fault.New(fault.Invalid, "bundle_invalid", "the file has a record that no journal makes; export the order again").WithCause(err)
	}
	return &orderResponse{o}, nil
}
