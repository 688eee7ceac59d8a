package store

import (
	"context"
	"encoding/json"
	"fmt"

	"troupe/platform/sqldb"
	"troupe/services/orders/internal/order"
)

// address is an address in the column ship_to.
type address struct {
	Name       string `json:"name"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	City       string `json:"city"`
	PostalCode string `json:"postal_code"`
	Country    string `json:"country"`
}

// addressMore is the rest of an address, in the column ship_to_more. It is not in ship_to,
// because a replica of version 0.1 writes ship_to again with the members that it knows.
type addressMore struct {
	Company string `json:"company,omitempty"`
	State   string `json:"state,omitempty"`
	Phone   string `json:"phone,omitempty"`
}

// encodeAddress returns the two columns of an address.
func encodeAddress(a *order.Address) (shipTo, more string, err error) {
	if a == nil {
		return "", "", nil
	}
	text, err := json.Marshal(address{a.Name, a.Line1, a.Line2, a.City, a.PostalCode, a.Country})
	if err != nil {
		return "", "", err
	}
	rest := addressMore{a.Company, a.State, a.Phone}
	if rest == (addressMore{}) {
		return string(text), "", nil
	}
	moreText, err := json.Marshal(rest)
	return string(text), string(moreText), err
}

// decodeAddress returns the address in the two columns, nil if there is none.
func decodeAddress(shipTo, more string) (*order.Address, error) {
	if shipTo == "" {
		return nil, nil //nolint:nilnil // none was given, or it was erased
	}
	var a address
	if err := json.Unmarshal([]byte(shipTo), &a); err != nil {
		return nil, err
	}
	var rest addressMore
	if more != "" {
		if err := json.Unmarshal([]byte(more), &rest); err != nil {
			return nil, err
		}
	}
	return &order.Address{
		Name: a.Name, Company: rest.Company, Line1: a.Line1, Line2: a.Line2, City: a.City, State: rest.State,
		PostalCode: a.PostalCode, Country: a.Country, Phone: rest.Phone,
	}, nil
}

// EraseRests erases what is left of addresses that a replica of version 0.1 has erased,
// which does not know the column ship_to_more. It returns how many there were.
func EraseRests(ctx context.Context, db sqldb.DB) (int, error) {
	n, err := db.Exec(ctx, "UPDATE orders SET ship_to_more = '' WHERE ship_to = '' AND ship_to_more <> ''")
	if err != nil {
		return 0, fmt.Errorf("erase the rests of addresses: %w", err)
	}
	return int(n), nil
}
