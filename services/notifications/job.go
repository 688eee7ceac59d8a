package notifications

import (
	"cmp"
	"slices"
	"time"

	"troupe/services/notifications/internal/content"
	"troupe/services/notifications/internal/delivery"
	"troupe/services/notifications/internal/smtp"
	"troupe/services/notifications/internal/store"
)

// job is one leased delivery within a step of the sender.
type job struct {
	store.Delivery
	digest []content.Notice // of a digest
	mail   smtp.Message     // set if ready; without HTML for the built-in mailbox
	source content.Source   // of the mail
	// ready reports that there is a mail to send. Otherwise Delivery already has its
	// outcome.
	ready    bool
	was      delivery.State // before it was leased
	released bool           // it is queued again as it was
	counted  bool           // by capMails
	follows  []*job         // mails of the batch about earlier events of its order that have not ended
	blocked  bool           // another sender has such a mail
	// attempt is how the attempt to send the mail ended; nil if there was none.
	attempt *delivery.Attempt
}

// end sets the outcome of the delivery to that of an attempt. A mail that was refused for
// a reason that meets every mail is kept for longer: it is not at fault.
func (j *job) end(a delivery.Attempt, now time.Time) {
	j.attempt = &a
	j.Reply, j.About = a.Reply, a.About
	if held := j.CreatedAt.Add(delivery.MaxHold); a.About.Shared() && j.ExpiresAt.Before(held) {
		j.ExpiresAt = held
	}
	j.State, j.NextAt = delivery.Next(j.ID, j.Attempts, a.State, now, j.ExpiresAt)
}

// waitForAddress leaves j until the recipient's address is known. The wait does not
// count toward delivery.MaxAge, which begins when it ends.
func (j *job) waitForAddress(now time.Time) {
	j.State, j.NextAt, j.Reply = delivery.Waiting, now.Add(delivery.Recheck), "no address yet"
	j.ExpiresAt = j.NextAt.Add(delivery.MaxAge)
	j.Attempts--
}

// release queues j again for any sender, without an attempt, due at a time.
func (j *job) release(at time.Time) {
	if j.isOverdue(at) {
		j.finish(delivery.Expired, cmp.Or(j.Reply, "it waited too long"))
		return
	}
	j.State, j.NextAt, j.released = j.was, at, true
	if j.was == delivery.Sending || j.was == delivery.Waiting { // a sender crashed, or there is an address now
		j.State = delivery.Queued
	}
	j.Attempts--
}

// mustWait reports whether a mail about an earlier event of the order is still to be sent.
func (j *job) mustWait() bool {
	return slices.ContainsFunc(j.follows, func(earlier *job) bool { return !earlier.State.Final() })
}

// isLate reports whether j is so late that it is dropped if its order has gone on. One that
// an admin has queued again is not.
func (j *job) isLate(now time.Time) bool {
	if j.was == delivery.Queued && j.Attempts > 1 {
		return false
	}
	return j.Attempts > 1 || now.Sub(j.CreatedAt) >= delivery.Fresh
}

// finish ends the delivery without an attempt.
func (j *job) finish(state delivery.State, reply string) {
	j.State, j.NextAt, j.Reply = state, time.Time{}, reply
}

// isOverdue reports whether j must not be sent at a time, because nothing in it may be
// true any more.
func (j *job) isOverdue(at time.Time) bool {
	return at.After(j.ExpiresAt) && at.After(j.CreatedAt.Add(delivery.MaxHold))
}
