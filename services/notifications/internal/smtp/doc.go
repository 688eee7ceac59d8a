// Package smtp encodes a mail and submits it to an SMTP server, several mails over
// one connection. Of each mail it reports how far the submission got (the phase) and
// which state the delivery is in as a result.
//
// # Phases
//
// A phase is the last step of the conversation that was begun. It decides what a
// failure means, because it decides who owns the mail.
//
//	phase    client sends                  if it fails, the mail was
//	connect  dial, TLS, EHLO, AUTH         not offered; the fault is not the mail's
//	mail     MAIL FROM                     not accepted
//	rcpt     RCPT TO                       not accepted
//	body     DATA, headers and body        not accepted: without the final dot a
//	                                       server must discard it
//	dot      the final dot                 accepted or not: only the reply shows it
//
// Before the phase dot, Session.Send calls the caller's beforeDot, which commits to
// the database that the dot is about to be sent. After a crash the phase in the
// database is therefore dot if the server may have the mail, and a sender that finds
// it treats the attempt as one without a reply.
//
// # Replies and states
//
//	reply                       connect    mail, body   rcpt       dot
//	2yz                         -          -            -          sent
//	4yz                         deferred   deferred     deferred   deferred
//	5.1.x, 5.2.1, 5.2.2         deferred   deferred     rejected   rejected
//	550 without a reason        deferred   deferred     rejected   deferred
//	any other 5yz               deferred   deferred     deferred   deferred
//	none: connection lost,      deferred   deferred     deferred   unknown
//	timeout
//	unexpected (such as 250     deferred   deferred     deferred   deferred
//	to DATA)
//
// Only a verdict about the recipient's mailbox ends a mail. Most 5yz are about this server
// (its HELO name, its login, its sender, its quota, a block list), also in the phase rcpt,
// until which many servers delay them: no mail is given up because of them.
// The state unknown means that the server may have delivered the mail. It is sent
// again with the same Message-ID, by which the recipient's server or mail program
// can recognize the duplicate (RFC 1047 describes this gap in SMTP).
// The function delivery.Ended is this table, and finds what a reply is about; package
// delivery also describes what follows from each state.
//
// # The connection after a failure
//
// After a 4yz or 5yz the session sends RSET and can be used for the next mail. After
// 421, after a lost connection or a timeout, and after beforeDot failed, the session
// is broken and closed: only closing the connection withdraws an unfinished DATA.
package smtp
