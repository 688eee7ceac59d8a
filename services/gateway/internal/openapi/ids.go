package openapi

import (
	"regexp"
	"strings"

	"troupe/platform/ascii"
)

// ids are the ids of the operations that this system offers, by method and pattern of the
// path. Generated clients name their functions after them, so an entry never changes, however
// a service words its summary. An operation that is not here has the id of its own document
// after the name of its upstream; see operationID.
var ids = map[string]string{ //nolint:gosec // a path that has the word token holds no secret
	"GET /.well-known/jwks.json":                   "getSigningKeys",
	"GET /admin/breakers":                          "listBreakers",
	"GET /admin/breakers/{}":                       "getBreaker",
	"PUT /admin/breakers/{}":                       "forceBreaker",
	"GET /admin/journal":                           "readGatewayJournal",
	"GET /admin/settings":                          "showGatewaySettings",
	"GET /audit/gateway":                           "listGatewayAuditLog",
	"GET /audit/inventory":                         "listInventoryAuditLog",
	"GET /audit/notifications":                     "listNotificationsAuditLog",
	"GET /audit/orders":                            "listOrdersAuditLog",
	"GET /audit/payments":                          "listPaymentsAuditLog",
	"GET /audit/users":                             "listUsersAuditLog",
	"GET /deliveries":                              "listDeliveries",
	"POST /deliveries/retry":                       "retryDeliveries",
	"GET /deliveries/{}":                           "getDelivery",
	"POST /deliveries/{}/resolve":                  "resolveDelivery",
	"POST /deliveries/{}/retry":                    "retryDelivery",
	"POST /deliveries/{}/suppress":                 "suppressDelivery",
	"GET /events/inventory":                        "readInventoryEvents",
	"POST /events/inventory":                       "publishInventoryEvent",
	"GET /events/inventory/clients":                "listInventoryEventClients",
	"POST /events/inventory/clients":               "createInventoryEventClient",
	"DELETE /events/inventory/clients/{}":          "revokeInventoryEventClient",
	"POST /events/inventory/clients/{}/rotate":     "rotateInventoryEventClient",
	"GET /events/inventory/stream":                 "streamInventoryEvents",
	"GET /events/notifications":                    "readNotificationsEvents",
	"POST /events/notifications":                   "publishNotificationsEvent",
	"GET /events/notifications/clients":            "listNotificationsEventClients",
	"POST /events/notifications/clients":           "createNotificationsEventClient",
	"DELETE /events/notifications/clients/{}":      "revokeNotificationsEventClient",
	"POST /events/notifications/clients/{}/rotate": "rotateNotificationsEventClient",
	"GET /events/notifications/stream":             "streamNotificationsEvents",
	"GET /events/orders":                           "readOrdersEvents",
	"POST /events/orders":                          "publishOrdersEvent",
	"GET /events/orders/clients":                   "listOrdersEventClients",
	"POST /events/orders/clients":                  "createOrdersEventClient",
	"DELETE /events/orders/clients/{}":             "revokeOrdersEventClient",
	"POST /events/orders/clients/{}/rotate":        "rotateOrdersEventClient",
	"GET /events/orders/stream":                    "streamOrdersEvents",
	"GET /events/payments":                         "readPaymentsEvents",
	"POST /events/payments":                        "publishPaymentsEvent",
	"GET /events/payments/clients":                 "listPaymentsEventClients",
	"POST /events/payments/clients":                "createPaymentsEventClient",
	"DELETE /events/payments/clients/{}":           "revokePaymentsEventClient",
	"POST /events/payments/clients/{}/rotate":      "rotatePaymentsEventClient",
	"GET /events/payments/stream":                  "streamPaymentsEvents",
	"GET /events/users":                            "readUsersEvents",
	"POST /events/users":                           "publishUsersEvent",
	"GET /events/users/clients":                    "listUsersEventClients",
	"POST /events/users/clients":                   "createUsersEventClient",
	"DELETE /events/users/clients/{}":              "revokeUsersEventClient",
	"POST /events/users/clients/{}/rotate":         "rotateUsersEventClient",
	"GET /events/users/stream":                     "streamUsersEvents",
	"POST /logout":                                 "signOut",
	"GET /mail/dkim":                               "getDKIMRecords",
	"GET /mail/preview/{}":                         "previewMail",
	"POST /mail/test":                              "sendTestMail",
	"GET /me/overview":                             "getMyOverview",
	"GET /notifications":                           "listNotifications",
	"GET /notifications/preferences":               "getPreferences",
	"PUT /notifications/preferences":               "putPreferences",
	"POST /notifications/read":                     "markNotificationsRead",
	"GET /notifications/stream":                    "streamNotifications",
	"GET /notifications/unread":                    "countUnreadNotifications",
	"POST /notifications/{}/read":                  "markNotificationRead",
	"GET /orders":                                  "listOrders",
	"POST /orders":                                 "placeOrder",
	"GET /orders/{}":                               "getOrder",
	"POST /orders/{}/cancel":                       "cancelOrder",
	"POST /orders/{}/deliver":                      "deliverOrder",
	"POST /orders/{}/ship":                         "shipOrder",
	"GET /orders/{}/stream":                        "streamOrder",
	"GET /orders/{}/timeline":                      "getOrderTimeline",
	"GET /payments":                                "listPayments",
	"POST /payments/{}/refund":                     "refundPayment",
	"GET /products":                                "listProducts",
	"GET /products/{}":                             "getProduct",
	"PUT /products/{}":                             "putProduct",
	"POST /products/{}/stock":                      "adjustStock",
	"GET /push/key":                                "getPushKey",
	"POST /push/key/rotate":                        "rotatePushKey",
	"DELETE /push/subscriptions":                   "deletePushSubscriptions",
	"GET /push/subscriptions":                      "listPushSubscriptions",
	"POST /push/subscriptions":                     "createPushSubscription",
	"DELETE /push/subscriptions/{}":                "deletePushSubscription",
	"GET /suppressions":                            "listSuppressions",
	"POST /suppressions":                           "createSuppression",
	"DELETE /suppressions/{}":                      "deleteSuppression",
	"POST /token":                                  "createToken",
	"GET /users":                                   "listUsers",
	"POST /users":                                  "registerUser",
	"DELETE /users/me":                             "deleteMe",
	"GET /users/me":                                "getMe",
	"PATCH /users/me":                              "updateMe",
	"POST /users/me/password":                      "changeMyPassword",
	"GET /users/{}":                                "getUser",
	"GET /webhooks":                                "listWebhooks",
	"POST /webhooks":                               "createWebhook",
	"DELETE /webhooks/{}":                          "deleteWebhook",
	"GET /webhooks/{}":                             "getWebhook",
	"PATCH /webhooks/{}":                           "updateWebhook",
	"GET /webhooks/{}/deliveries":                  "listWebhookDeliveries",
	"GET /webhooks/{}/deliveries/{}":               "getWebhookDelivery",
	"POST /webhooks/{}/deliveries/{}/replay":       "replayWebhookDelivery",
	"POST /webhooks/{}/replay-failed":              "replayFailedWebhookDeliveries",
	"POST /webhooks/{}/rotate-secret":              "rotateWebhookSecret",
	"POST /webhooks/{}/test":                       "testWebhook",
}

// kebabCase is the form of the ids that services make from their summaries.
var kebabCase = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z][a-z0-9]*)+$`)

// operationID returns the id of an operation of a service that is not among ids:
// "reviewsListReviews" for "list-reviews". Other systems' ids in any other form stay as they
// are, so that no two operations get the same one.
func operationID(service, id string) string {
	id = service + "-" + id
	if !kebabCase.MatchString(id) {
		return id
	}
	words := strings.Split(id, "-")
	for i, word := range words[1:] {
		words[i+1] = ascii.Upper(word[:1]) + word[1:]
	}
	return strings.Join(words, "")
}
