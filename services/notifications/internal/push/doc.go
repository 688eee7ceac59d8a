// Package push sends messages to browsers (web push): it encrypts them for the browser
// (RFC 8291, RFC 8188), identifies the shop (VAPID, RFC 8292) and hands them to the
// browser's push service (RFC 8030).
//
// An endpoint is chosen by a client, so it may lead anywhere. Messages go only to the push
// services of a list, over HTTPS, and to addresses that package safedial permits.
package push
