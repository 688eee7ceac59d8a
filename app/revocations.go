package app

import (
	"context"
	"fmt"
	"slices"

	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// sessionRevoked is the payload of the event after which every service must refuse the
// session's access tokens. Package app handles it for all services with a database, so
// that the author of a service cannot forget it.
type sessionRevoked struct {
	SessionID string         `json:"session_id"`
	UserID    string         `json:"user_id"`
	Until     timestamp.Time `json:"until"`
}

func (sessionRevoked) EventType() string       { return "session.revoked.v1" }
func (e sessionRevoked) CorrelationID() string { return e.UserID }

// revocationHandlers returns the handler of session.revoked.v1 for a service with a
// database. The service that issues the tokens, which has a Verifier of its own,
// publishes the event and revokes its sessions itself.
func (i *Instance) revocationHandlers() ([]inbox.Handler, error) {
	consumers, known := i.Service.Topology[sessionRevoked{}.EventType()]
	if !known || i.Env.Revocations == nil || i.Components.Verifier != nil {
		return nil, nil
	}
	if !slices.Contains(consumers, i.Service.Name) {
		return nil, fmt.Errorf("%s would accept the access tokens of sessions that have ended: add %q to %q in events/topology.go",
			i.Service.Name, i.Service.Name, sessionRevoked{}.EventType())
	}
	return []inbox.Handler{inbox.Handle(i.revokeSession)}, nil
}

func (i *Instance) revokeSession(ctx context.Context, tx sqldb.Tx, r inbox.Received[sessionRevoked]) error {
	if err := i.Env.Revocations.Revoke(ctx, tx, r.Payload.SessionID, r.Payload.Until.Time); err != nil {
		return err
	}
	if i.Components.SessionRevoked == nil {
		return nil
	}
	return i.Components.SessionRevoked(ctx, tx, r.Payload.SessionID)
}
