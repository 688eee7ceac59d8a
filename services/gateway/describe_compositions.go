package gateway

import (
	"net/http"

	"troupe/platform/httpapi"
)

type overviewResponse struct{ Body overview }

// overview is the schema of GET /me/overview.
type overview struct {
	Profile       any           `json:"profile,omitempty" doc:"My account, as GET /users/me returns it"`
	Orders        []any         `json:"orders,omitempty" doc:"My latest orders, as GET /orders returns them"`
	Payments      []any         `json:"payments,omitempty" doc:"My latest payments, as GET /payments returns them"`
	Notifications []any         `json:"notifications,omitempty" doc:"My unread notifications, as GET /notifications returns them"`
	Missing       []missingPart `json:"missing,omitempty" doc:"Parts that could not be fetched in time; absent if there are none"`
}

// missingPart is the schema of a part that a response does not have.
type missingPart struct {
	Part string `json:"part" example:"payments"`
	Code string `json:"code" doc:"Why, as in the problem document of its service" example:"upstream_timeout"`
}

type expandOrderRequest struct {
	ID     string   `path:"id" doc:"The order's id"`
	Expand []string `query:"expand" enum:"payment,notifications" doc:"Adds the order's payment and my notifications about it, as members of the order. A part that cannot be fetched in time is named in missing instead"`
}

type expandedOrderResponse struct{ Body expandedOrder }

// expandedOrder is the schema of what expand adds to the members of an order.
type expandedOrder struct {
	_             struct{}      `additionalProperties:"true"`
	Payment       any           `json:"payment,omitempty" doc:"The order's payment, null if there is none yet"`
	Notifications []any         `json:"notifications,omitempty" doc:"My notifications about the order"`
	Missing       []missingPart `json:"missing,omitempty" doc:"Parts that could not be fetched in time; absent if there are none"`
}

// describeCompositions adds the responses that the gateway composes to its document. They
// are served as routes.
func describeCompositions(api *httpapi.API) {
	httpapi.Describe[struct{}, overviewResponse](api, http.MethodGet, "/me/overview", httpapi.Summary("Show my account at a glance"))
	httpapi.Describe[expandOrderRequest, expandedOrderResponse](api, http.MethodGet, "/orders/{id}", httpapi.Summary("Show an order with its payment and notifications"))
}
