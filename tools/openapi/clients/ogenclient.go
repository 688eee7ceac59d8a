package main

import (
	"context"
	"fmt"

	"github.com/ogen-go/ogen/ogenerrors"

	"clients/ogen"
)

// tokens is the access token of the client, "" before it has signed in.
type tokens struct{ access string }

func (t *tokens) Bearer(context.Context, ogen.OperationName) (ogen.Bearer, error) {
	if t.access == "" {
		return ogen.Bearer{}, ogenerrors.ErrSkipClientSecurity
	}
	return ogen.Bearer{Token: t.access}, nil
}

func (t *tokens) Password(context.Context, ogen.OperationName) (ogen.Password, error) {
	return ogen.Password{}, ogenerrors.ErrSkipClientSecurity
}

func withOgen(ctx context.Context, gateway string) (string, error) {
	t := &tokens{}
	c, err := ogen.NewClient(gateway, t)
	if err != nil {
		return "", err
	}
	if t.access, err = signInWithOgen(ctx, c); err != nil {
		return "", err
	}
	list, err := c.ListProducts(ctx, ogen.ListProductsParams{})
	if err != nil {
		return "", err
	}
	products, ok := list.(*ogen.InventoryPageProductView)
	if !ok || len(products.Items) == 0 {
		return "", fmt.Errorf("list products: %+v", list)
	}
	order, err := c.PlaceOrder(ctx, &ogen.OrdersOrderRequest{
		Items: []ogen.OrdersItem{{Sku: products.Items[0].Sku, Quantity: 1}}, PaymentMethod: "pm_card_visa",
	}, ogen.PlaceOrderParams{})
	if err != nil {
		return "", err
	}
	placed, ok := order.(*ogen.OrdersOrderViewHeaders)
	if !ok {
		return "", fmt.Errorf("place an order: %+v", order)
	}
	return placed.Response.ID.String(), nil
}

func signInWithOgen(ctx context.Context, c *ogen.Client) (token string, err error) {
	const email = "ogen@example.com"
	registered, err := c.RegisterUser(ctx, &ogen.UsersNewUser{Email: email, Password: password, Name: "Ada"}, ogen.RegisterUserParams{})
	if err != nil {
		return "", err
	}
	if _, ok := registered.(*ogen.UsersUserViewHeaders); !ok {
		return "", fmt.Errorf("register: %+v", registered)
	}
	answer, err := c.CreateToken(ctx, &ogen.UsersTokenForm{
		GrantType: ogen.NewOptUsersTokenFormGrantType(ogen.UsersTokenFormGrantTypePassword),
		Username:  ogen.NewOptString(email), Password: ogen.NewOptString(password),
	})
	if err != nil {
		return "", err
	}
	signedIn, ok := answer.(*ogen.UsersTokenViewHeaders)
	if !ok {
		return "", fmt.Errorf("sign in: %+v", answer)
	}
	return signedIn.Response.AccessToken, nil
}
