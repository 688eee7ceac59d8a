package loadgen

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"troupe/client"
)

// order places one order. It is not retried: an order that is refused is a result. The
// request is not built by the client package, because what the load costs the machine is
// missing to the system.
func (c *customer) order(ctx context.Context, s *Shop) error {
	body := fmt.Appendf(nil, `{"items":[{"sku":%q,"quantity":1}],"payment_method":%q}`, s.SKU, s.PaymentMethod)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Gateway+"/orders", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.client().Token())
	response, err := s.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusCreated {
		problem := &client.Problem{Title: http.StatusText(response.StatusCode)}
		_ = json.Unmarshal(answer, problem) // if it is no problem document, the status is enough
		problem.Status = response.StatusCode
		return problem
	}
	id, err := idOf(answer)
	if err != nil {
		return err
	}
	c.accepted(id)
	return nil
}

// idOf returns the id in an accepted order.
func idOf(answer []byte) (string, error) {
	const before = `"id":"`
	if _, rest, ok := bytes.Cut(answer, []byte(before)); ok {
		if id, _, ok := bytes.Cut(rest, []byte{'"'}); ok {
			return string(id), nil
		}
	}
	return "", fmt.Errorf("the accepted order has no id: %s", answer)
}
