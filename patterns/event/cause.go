package event

import "context"

type causeKey struct{}

// WithCause returns a context for work that is done because cause was consumed.
func WithCause(ctx context.Context, cause *Envelope) context.Context {
	return context.WithValue(ctx, causeKey{}, cause)
}

// CauseFrom returns the event set by WithCause, nil if there is none.
func CauseFrom(ctx context.Context) *Envelope {
	cause, _ := ctx.Value(causeKey{}).(*Envelope)
	return cause
}

// CausedBy returns a pending event with the payload that follows from cause.
func CausedBy(cause *Envelope, payload Payload) Pending {
	return Pending{Payload: payload, Cause: cause}
}
