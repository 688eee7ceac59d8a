package app

import (
	"context"
	"fmt"
	"slices"

	"troupe/patterns/inbox"
	"troupe/platform/sqldb"
	"troupe/platform/timestamp"
)

// sessionsRevoked is the payload of the event after which every service must refuse the
// sessions' access tokens. Package app handles it for all services with a database, so
// that the author of a service cannot forget it.
type sessionsRevoked struct {
	SessionIDs []string       `json:"session_ids"`
	UserID     string         `json:"user_id"`
	Until      timestamp.Time `json:"until"`
}

func (sessionsRevoked) EventType() string       { return "session.revoked.v2" }
func (e sessionsRevoked) CorrelationID() string { return e.UserID }

// sessionRevoked is the payload of version 1, which names one session.
type sessionRevoked struct {
	SessionID string         `json:"session_id"`
	UserID    string         `json:"user_id"`
	Until     timestamp.Time `json:"until"`
}

func (sessionRevoked) EventType() string       { return "session.revoked.v1" }
func (e sessionRevoked) CorrelationID() string { return e.UserID }

// upcastSessionRevoked returns an event of version 1 as one of version 2.
func upcastSessionRevoked(old sessionRevoked) sessionsRevoked {
	return sessionsRevoked{SessionIDs: []string{old.SessionID}, UserID: old.UserID, Until: old.Until}
}

// revocationHandlers returns the handlers of session.revoked, in each version that the
// topology lists, for a service with a database. The service that issues the tokens, which
// has a Verifier of its own, publishes the event and revokes its sessions itself.
func (i *Instance) revocationHandlers() ([]inbox.Handler, error) {
	if i.Env.Revocations == nil || i.Components.Verifier != nil {
		return nil, nil
	}
	revoke := inbox.Handle(i.revokeSessions)
	var handlers []inbox.Handler
	for _, h := range []inbox.Handler{inbox.Upcast(revoke, upcastSessionRevoked), revoke} {
		consumers, known := i.Service.Topology[h.Type]
		if !known {
			continue
		}
		if !slices.Contains(consumers, i.Service.Name) {
			return nil, fmt.Errorf("%s would accept the access tokens of sessions that have ended: add %q to %q in events/topology.go",
				i.Service.Name, i.Service.Name, h.Type)
		}
		handlers = append(handlers, h)
	}
	return handlers, nil
}

func (i *Instance) revokeSessions(ctx context.Context, tx sqldb.Tx, r inbox.Received[sessionsRevoked]) error {
	for _, id := range r.Payload.SessionIDs {
		if err := i.Env.Revocations.Revoke(ctx, tx, id, r.Payload.Until.Time); err != nil {
			return err
		}
		if i.Components.SessionRevoked == nil {
			continue
		}
		if err := i.Components.SessionRevoked(ctx, tx, id); err != nil {
			return err
		}
	}
	return nil
}
