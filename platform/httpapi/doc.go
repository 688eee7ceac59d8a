// Package httpapi is the HTTP layer of a service: typed operations, problem
// documents (RFC 9457), authentication, probes, an access log, metrics, traces,
// and an OpenAPI 3.1 document with a docs page. It is the only package that
// imports huma.
//
// # Declaring an operation
//
// An operation is a function from an input struct to an output struct, added with
// [Get], [Post], [Put], [Patch] or [Delete]. The structs use huma's tags: path,
// query, header and body name the place that a value comes from; minLength,
// maximum and so on are the rules that it must keep; doc is its description. The
// options ([Summary], [RequireRole], [Public], [Anonymous], [Status]) describe the
// rest. Without an option about callers, an operation requires a valid access
// token. A live stream of events is added with [Stream], a handler that is not JSON with
// [API.Handle].
//
// # What is checked, and in which order
//
// The first check that fails answers the request; the handler runs after the last.
//
//  1. Route. An unknown path is 404 with the code route_not_found, another method
//     is 405 with an Allow header.
//  2. Authentication and role. A missing or invalid token is 401, a caller without
//     the required role is 403. So strangers learn nothing from the checks below. An
//     operation that everybody may call ignores an invalid token.
//  3. URL and headers. The path, the query and every header that the input binds
//     must be UTF-8 text without U+0000 (400). A query parameter that is sent twice is
//     400, and one that the operation does not have is 422, with the one that was
//     probably meant.
//  4. Content-Encoding and Content-Type. A body is JSON, or the media type in the
//     contentType tag of Body; application/x-www-form-urlencoded becomes an object
//     of strings, bound by their json names. PATCH takes merge patches (RFC 7396) too.
//     Any other type is 415, and so is a Content-Encoding. A missing Content-Type means
//     the expected type; a charset has no effect (RFC 8259, section 11).
//  5. Size. A body of more than [DefaultBody] bytes, or of the operation's [BodyLimit],
//     is 413; one that ends early is 400, and one that does not arrive in time 408.
//     An operation that takes no body refuses one with 400, unless the body is an
//     empty object or the method is GET, which ignores bodies.
//  6. Syntax. A body that has more than one possible reading is 400: broken syntax,
//     text after the end, the same key twice in an object (also if the two differ
//     only in case), bytes that are not UTF-8, and the character U+0000, which
//     databases do not store. So is a body that is nested more than 32 deep.
//  7. Lengths, before anything is built from the body, because a tree takes far more
//     memory than its text: a list over its maxItems, which every list must have, more
//     unknown members than a problem lists, and more than 2,000 values or the operation's
//     [BodyValues] are 422.
//  8. Validation. A value that breaks a rule of the struct tags is 422, with every
//     place in "errors". So is a member that the operation does not know: a caller
//     who sends "role", or misspells "quantity" as "Quantity", must learn of it. A
//     form that is to ignore unknown members has a field
//     `_ struct{} "additionalProperties:\"true\""`. JSON bodies must not have it,
//     because encoding/json would then bind "Quantity" without validation. null
//     for a list is 422 too.
//
// # What is answered
//
// Every error is a problem document: a *fault.Error becomes the status of its kind
// with its code and message; any other error is logged and answered as 500 "internal
// error". "code" is for programs and stable, "detail" is for people, "instance"
// names the request id. A list in a response is never null, and the OpenAPI document
// promises that. [Page] and [PageQuery] are lists with a cursor.
//
// # What every service has
//
// /health answers while the process runs, and /livez while Config.Live returns no reason
// to restart it; /readyz answers 503 while
// Config.Ready returns an error, and 200 with the status "degraded" and the reason while
// Config.Degraded returns one; /metrics is for Prometheus; /openapi.json is the
// document and /docs the page that shows it, which needs no other network.
//
// Middleware surrounds all of this. It assigns the request an id (X-Request-Id) and
// a span named after its route, which continues the caller's trace; limits the body;
// writes one line of access log; observes troupe_http_request_duration_seconds by
// method, route and status; and turns a panic into a 500.
package httpapi
