package httpapi_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostileBodies are those that once cost 75 to 140 MiB of memory each, and their kind,
// in any size.
func hostileBodies(size int) map[string]string {
	repeat := func(s string) string { return strings.TrimSuffix(strings.Repeat(s, size/len(s)), ",") }
	var members strings.Builder
	for i := 0; members.Len() < size; i++ {
		members.WriteString(`,"u` + strconv.Itoa(i) + `":0`)
	}
	return map[string]string{
		"a list of numbers":                `{"items":[` + repeat("1,") + `]}`,
		"a list of empty items":            `{"items":[` + repeat("{},") + `]}`,
		"a list of lists":                  `{"items":[` + repeat("[],") + `]}`,
		"unknown members":                  `{"items":[]` + members.String() + `}`,
		"unknown members of an item":       `{"items":[{"sku":"a"` + members.String() + `}]}`,
		"a list in an unknown member":      `{"x":[` + repeat("1,") + `]}`,
		"a list in the place of a text":    `{"note":[` + repeat("1,") + `]}`,
		"nested lists":                     `{"x":` + strings.Repeat("[", size/2) + strings.Repeat("]", size/2) + `}`,
		"nested objects":                   `{"x":` + strings.Repeat(`{"a":`, size/6) + "1" + strings.Repeat("}", size/6) + `}`,
		"a huge number":                    `{"items":[{"sku":"a","quantity":` + repeat("9") + `}]}`,
		"a long text":                      `{"items":[{"sku":"` + repeat("x") + `","quantity":1}]}`,
		"the same member again":            `{` + repeat(`"note":"",`) + `}`,
		"a list of numbers, not an object": `[` + repeat("1,") + `]`,
		"half of a list":                   `{"items":[` + repeat("1,"),
	}
}

// TestFiftyHostileBodiesTakeLittleMemory adds up everything that fifty requests allocate,
// which is more than what is in use at any time. It does not run in parallel, because
// the runtime counts for the whole process.
func TestFiftyHostileBodiesTakeLittleMemory(t *testing.T) {
	const requests, most = 50, 64 << 20
	for _, size := range []int{1_000_000, 32 << 10} {
		for name, body := range hostileBodies(size - 100) {
			t.Run(fmt.Sprint(name, " of ", size), func(t *testing.T) {
				s := newShop(t)
				allocated := allocatedBy(func() {
					for range requests {
						w := s.send(t, "POST /orders", body)
						require.GreaterOrEqual(t, w.Code, 400)
						require.Less(t, w.Code, 500)
					}
				})
				require.Less(t, allocated, most)
			})
		}
		t.Run(fmt.Sprint("form fields of ", size), func(t *testing.T) {
			s, fields := newShop(t), strings.Repeat("a&", size/2)
			require.Less(t, allocatedBy(func() {
				for range requests {
					require.GreaterOrEqual(t, s.send(t, signin, fields, "Content-Type", form).Code, 400)
				}
			}), most)
		})
	}
}

// allocatedBy returns how many bytes f allocates.
func allocatedBy(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func TestWhatIsTooLongIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	many := strings.Repeat(`{"sku":"","quantity":0},`, 101)
	var members strings.Builder
	for i := range 100 {
		fmt.Fprintf(&members, `"u%d":0,`, i)
	}
	for name, c := range map[string]struct{ body, location, message string }{
		"a list":            {`{ "items" : [` + many[:len(many)-1] + `] }`, "body.items", "expected array length <= 100"},
		"a list by escapes": {`{"\u0069tems":[` + many[:len(many)-1] + `]}`, "body.items", "expected array length <= 100"},
		"unknown members":   {`{` + members.String() + `"items":[{"sku":"a","quantity":1}]}`, "body.u0", "unexpected property"},
		"members of items":  {`{"items":[{` + members.String() + `"sku":"a\"]}","quantity":1}]}`, "body.items[0].u0", "unexpected property"},
		"unknown values":    {`{"x":[` + strings.Repeat("[1,{}],", 1000) + `2]}`, "body.x", "more than 2000 values"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newShop(t).send(t, "POST /orders", c.body)
			require.Equal(t, http.StatusUnprocessableEntity, w.Code, w.Body)
			p := requireProblem(t, w)
			require.Equal(t, "validation_failed", p.Code)
			require.LessOrEqual(t, len(p.Errors), 20)
			require.Contains(t, p.Errors[0].Location, c.location)
			require.Contains(t, p.Errors[0].Message, c.message)
		})
	}
}

func TestABodyWithinItsBoundsIsReadAsAlways(t *testing.T) {
	t.Parallel()
	item := "{ \"quantity\" : 1 ,\r\n\t\"sku\" : \"\\\"]},{[\\\\\" }"
	w := newShop(t).send(t, "POST /orders", ` { "items" : [ `+strings.Repeat(item+" , ", 99)+item+` ] , "note" : "" } `)
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
}
