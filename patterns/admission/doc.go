// Package admission is admission control: a service that accepts work now and
// finishes it later accepts no more than it can finish in time. The rest is refused
// at once, before it has cost anything.
//
// # The signal
//
// The age of the backlog rises too late. If three times as much arrives as can be
// done, work that has waited 4 s stands before work that will wait 12 s. So the
// Controller predicts how long new work will wait: the size of the backlog divided
// by the rate at which it is finished. It accepts as long as this is below
// Config.Wait; in other words, as long as the backlog is smaller than its limit,
//
//	limit = rate * Wait
//
// but no less than Config.Least: with little to do at a time, many services need more
// time for each piece of work, so a small limit would cause the low rate it follows.
//
// Size and rate are measured where all replicas see them, in the shared table
// (Backlog), a few times a second. In between, each replica counts what it has
// accepted and finished itself.
//
// # The rate
//
// The rate is measured only while work waits long: then what is finished is what
// can be finished. If the backlog is at its limit for Wait/2 and work nevertheless
// waits less than that, the limit is too small, and grows by half.
//
// # Outages
//
// If nothing at all is finished, another service is down, and new work should be
// accepted: it waits. From Wait onwards the limit grows by what the outage would
// have finished, up to rate * Config.Longest. So after an outage of any length the
// backlog is finished within about the length of the outage, and within Longest.
//
// # Stuck work
//
// Work that has waited much longer than other work that is finished meanwhile
// waits for a reason of its own, such as a payment provider that has not answered.
// It has nothing to do with the load and is not counted, unless there is an outage.
package admission
