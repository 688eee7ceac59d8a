package compose

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// assemble returns the composed object.
func assemble(base json.RawMessage, parts []Part, answers []answer) Result {
	var result Result
	body := openObject(base)
	for i, a := range answers {
		switch {
		case a.body != nil:
			body = appendMember(body, parts[i].Name, a.body)
		case a.response != nil && a.response.Status == http.StatusUnauthorized:
			return Result{Whole: a.response}
		default:
			result.Missing = append(result.Missing, a.missing(parts[i].Name))
		}
	}
	if result.Missing != nil {
		list, _ := json.Marshal(result.Missing) // strings can always be encoded
		body = appendMember(body, "missing", list)
	}
	result.Body = append(body, '}', '\n')
	return result
}

// openObject returns the object without its closing brace; nil stands for an empty one.
func openObject(object json.RawMessage) []byte {
	if object == nil {
		return []byte{'{'}
	}
	return append([]byte(nil), object[:len(object)-1]...)
}

func appendMember(body []byte, name string, value json.RawMessage) []byte {
	if strings.TrimSpace(string(body[1:])) != "" {
		body = append(body, ',')
	}
	quoted, _ := json.Marshal(name) // a string can always be encoded
	body = append(body, quoted...)
	return append(append(body, ':'), value...)
}

var errNoItems = errors.New("the response has no list of items")

// Items selects the items of a page.
func Items(response []byte) (json.RawMessage, error) {
	var page struct{ Items json.RawMessage }
	if err := json.Unmarshal(response, &page); err != nil || len(page.Items) == 0 || page.Items[0] != '[' {
		return nil, errNoItems
	}
	return page.Items, nil
}

// FirstItem selects the first item of a page, null if it has none.
func FirstItem(response []byte) (json.RawMessage, error) {
	list, err := Items(response)
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(list, &items); err != nil {
		return nil, errNoItems
	}
	if len(items) == 0 {
		return json.RawMessage("null"), nil
	}
	return items[0], nil
}
