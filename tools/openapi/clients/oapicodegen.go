package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"clients/oapi"
)

func withOAPICodegen(ctx context.Context, gateway string) (string, error) {
	c, err := oapi.NewClientWithResponses(gateway)
	if err != nil {
		return "", err
	}
	token, err := signInWithOAPICodegen(ctx, c)
	if err != nil {
		return "", err
	}
	products, err := c.ListProductsWithResponse(ctx, nil)
	if err != nil {
		return "", err
	}
	if products.JSON200 == nil || len(products.JSON200.Items) == 0 {
		return "", fmt.Errorf("list products: %s", products.Body)
	}
	placed, err := c.PlaceOrderWithResponse(ctx, nil, oapi.OrdersOrderRequest{
		Items: []oapi.OrdersItem{{Sku: *products.JSON200.Items[0].Sku, Quantity: 1}}, PaymentMethod: "pm_card_visa",
	}, func(_ context.Context, r *http.Request) error {
		r.Header.Set("Authorization", "Bearer "+token)
		return nil
	})
	if err != nil {
		return "", err
	}
	if placed.JSON201 == nil {
		return "", fmt.Errorf("place an order: %s", placed.Body)
	}
	return placed.JSON201.Id.String(), nil
}

func signInWithOAPICodegen(ctx context.Context, c *oapi.ClientWithResponses) (token string, err error) {
	grant, email, secret := oapi.Password, "oapi-codegen@example.com", password
	registered, err := c.RegisterUserWithResponse(ctx, nil, oapi.UsersNewUser{Email: email, Password: secret, Name: "Ada"})
	if err != nil {
		return "", err
	}
	if registered.JSON201 == nil {
		return "", errors.New("register: " + string(registered.Body))
	}
	signedIn, err := c.CreateTokenWithFormdataBodyWithResponse(ctx, oapi.UsersTokenForm{GrantType: &grant, Username: &email, Password: &secret})
	if err != nil {
		return "", err
	}
	if signedIn.JSON200 == nil {
		return "", errors.New("sign in: " + string(signedIn.Body))
	}
	return signedIn.JSON200.AccessToken, nil
}
