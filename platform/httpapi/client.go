package httpapi

import (
	"net/http"
	"net/netip"

	"troupe/platform/auth"
	"troupe/platform/clientaddr"
)

// RecordCaller names the caller in the access log, for handlers that verify the token
// themselves. Operations do it by themselves.
func RecordCaller(w http.ResponseWriter, c auth.Caller) {
	if rec := recorderOf(w); rec != nil {
		rec.user = c.UserID
	}
}

// clientOf returns the address of the client for the access log: if the service trusts
// X-Forwarded-For, the last address in it, which the gateway wrote, else that of the
// connection.
func (a *API) clientOf(r *http.Request) string {
	if a.config.TrustForwardedFor {
		if address := clientaddr.LastForwarded(r.Header); address.IsValid() {
			return address.String()
		}
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr // of a connection that is not TCP
	}
	return peer.Addr().Unmap().String()
}
