package event

import "context"

type causeKey struct{}

// WithCause says that the work of ctx is done because cause was heard.
func WithCause(ctx context.Context, cause *Event) context.Context {
	return context.WithValue(ctx, causeKey{}, cause)
}

// CauseFrom gives the event set by WithCause, nil if there is none.
func CauseFrom(ctx context.Context) *Event {
	cause, _ := ctx.Value(causeKey{}).(*Event)
	return cause
}
