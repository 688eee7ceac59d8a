package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/platform/fault"
	"troupe/platform/httpapi"
)

type reserveInput struct {
	SKU  string `path:"sku"`
	Body struct {
		Quantity int `json:"quantity" minimum:"1" maximum:"1000"`
	}
}

type reserveOutput struct {
	Body struct {
		SKU  string `json:"sku"`
		Left int    `json:"left" doc:"How many can still be reserved"`
	}
}

// reserve is the handler of the operation: it sees only inputs that passed all checks.
func reserve(_ context.Context, in *reserveInput) (*reserveOutput, error) {
	if in.SKU != "mug" {
		return nil, fault.Missing("product", in.SKU, "see GET /products for those on sale")
	}
	out := &reserveOutput{}
	out.Body.SKU, out.Body.Left = in.SKU, 10-in.Body.Quantity
	return out, nil
}

// An API of one operation. What the handler does not have to check is answered with a
// problem document; so is an error of package fault that it returns.
func Example() {
	api := httpapi.New(httpapi.Config{
		Service: "inventory", Title: "Inventory", Version: "1.0.0",
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Registry: prometheus.NewRegistry(),
	})
	httpapi.Post(api, "/products/{sku}/reservations", reserve,
		httpapi.Public(), httpapi.Summary("Reserve a product"), httpapi.Status(http.StatusCreated))
	handler := api.Handler()

	post := func(path, body string) {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("X-Request-Id", "example")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		var indented bytes.Buffer
		_ = json.Indent(&indented, w.Body.Bytes(), "", "  ")
		fmt.Println(w.Code, strings.TrimSpace(indented.String()))
	}
	post("/products/mug/reservations", `{"quantity": 3}`)
	post("/products/mug/reservations", `{"quantity": 0}`)
	post("/products/cup/reservations", `{"quantity": 3}`)

	// Output:
	// 201 {
	//   "sku": "mug",
	//   "left": 7
	// }
	// 422 {
	//   "type": "urn:troupe:problem:validation_failed",
	//   "title": "Unprocessable Entity",
	//   "status": 422,
	//   "detail": "body.quantity: expected number >= 1",
	//   "instance": "urn:troupe:request:example",
	//   "code": "validation_failed",
	//   "errors": [
	//     {
	//       "location": "body.quantity",
	//       "message": "expected number >= 1"
	//     }
	//   ]
	// }
	// 404 {
	//   "type": "urn:troupe:problem:product_not_found",
	//   "title": "Not Found",
	//   "status": 404,
	//   "detail": "there is no product cup; see GET /products for those on sale",
	//   "instance": "urn:troupe:request:example",
	//   "code": "product_not_found"
	// }
}

// A list is answered in pages. The key of the last row of a page is in the cursor that
// leads to the next one.
func ExamplePageOf() {
	products := []string{"bowl", "cup", "mug"} // sorted by their key
	read := func(after string, limit int) (rows []string) {
		for _, p := range products {
			if p > after && len(rows) < limit {
				rows = append(rows, p)
			}
		}
		return rows
	}
	name := func(p string) string { return p }

	q := httpapi.PageQuery{Limit: 2} // bound from ?limit=2 in an operation
	for {
		after, err := q.After()
		if err != nil {
			fmt.Println(err)
			return
		}
		page := httpapi.PageOf(q, read(after, q.Fetch()), name, strings.ToUpper)
		fmt.Println(page.Items)
		if page.NextCursor == "" {
			return
		}
		q.Cursor = page.NextCursor
	}

	// Output:
	// [BOWL CUP]
	// [MUG]
}
