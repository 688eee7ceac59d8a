package delivery

import (
	"errors"
	"fmt"
	"net/textproto"
	"regexp"
	"strings"

	"troupe/platform/ascii"
)

// Subject is what a refusal is about.
type Subject string

// The subjects. Only a refusal about the mailbox can end a mail: every other one is about
// this sender, its server, or a state that passes.
const (
	AboutMailbox Subject = "mailbox" // the recipient's mailbox
	AboutContent Subject = "content" // the mail: its size, or what is in it
	AboutHELO    Subject = "helo"    // the name that EHLO announces
	AboutLogin   Subject = "login"   // the user or the password in the settings
	AboutSender  Subject = "sender"  // the sender's address, which this login may not use
	AboutRelay   Subject = "relay"   // the server does not relay mails of this host
	AboutLimit   Subject = "limit"   // a quota or a rate of the server
	AboutPolicy  Subject = "policy"  // a block list, or another rule about this host
	AboutServer  Subject = "server"  // no connection, no reply, or a fault of the server
	AboutDomain  Subject = "domain"  // no reply once the recipient was named
)

// Shared reports whether a refusal about s would meet every other mail too.
func (s Subject) Shared() bool {
	switch s {
	case AboutHELO, AboutLogin, AboutSender, AboutRelay, AboutLimit, AboutPolicy, AboutServer:
		return true
	}
	return false
}

// SharedSubjects are the subjects that are Shared.
var SharedSubjects = []Subject{AboutHELO, AboutLogin, AboutSender, AboutRelay, AboutLimit, AboutPolicy, AboutServer}

// enhancedCode matches the enhanced status code at the start of a reply (RFC 3463).
var enhancedCode = regexp.MustCompile(`^([245])\.(\d{1,3})\.(\d{1,3})\b`)

// status is a reply of the server, taken apart.
type status struct {
	phase           Phase
	code            int
	subject, detail string // of the enhanced code: "1" and "2" of 5.1.2; empty without one
	text            string // in lower case
}

func statusOf(phase Phase, reply *textproto.Error) status {
	s := status{phase: phase, code: reply.Code, text: ascii.Lower(reply.Msg)}
	if m := enhancedCode.FindStringSubmatch(reply.Msg); m != nil && (m[2] != "0" || m[3] != "0") {
		s.subject, s.detail = m[2], m[3]
	}
	return s
}

// permanent reports whether the reply is a verdict about the mailbox that ends the mail:
// the address does not exist (5.1.x), the mailbox is disabled or full (5.2.1, 5.2.2), or
// a 550 to RCPT that gives no other reason.
func (s status) permanent(about Subject) bool {
	if s.code/100 != 5 || about != AboutMailbox {
		return false
	}
	return s.subject != "" || s.code == 550 && s.phase == Rcpt
}

// about returns what the reply is about. The enhanced code decides if it is specific. Many
// servers send a general one, or none: then the words of the reply do, and the phase last.
func (s status) about() Subject {
	if isLoginCode(s.code) {
		return AboutLogin
	}
	if about, ok := s.byEnhancedCode(); ok {
		return about
	}
	for _, w := range wordings {
		if w.words.MatchString(s.text) {
			return w.about
		}
	}
	return s.byPhase()
}

func (s status) byEnhancedCode() (Subject, bool) {
	unnamed := s.phase == Connect || s.phase == Mail // the recipient is not known yet
	switch s.enhanced() {
	case "1.7", "1.8":
		return AboutSender, true
	case "2.1", "2.2":
		return AboutMailbox, !unnamed
	case "2.3", "3.4":
		return AboutContent, true
	case "7.8", "7.9", "7.11":
		return AboutLogin, true
	case "":
		return AboutMailbox, s.code%100 == 52 && s.phase == Rcpt // storage
	}
	if s.subject == "1" && unnamed {
		return AboutSender, true
	}
	if s.subject == "1" {
		return AboutMailbox, true
	}
	return AboutContent, s.subject == "6"
}

// wordings are the words by which servers explain a refusal, from the most to the least
// specific. A wrong guess only delays a mail: none of them is AboutMailbox with a 5yz.
var wordings = []struct {
	about Subject
	words *regexp.Regexp
}{
	{AboutMailbox, regexp.MustCompile(`gr[ea]y-?\s?list`)},
	{AboutHELO, regexp.MustCompile(`\b(helo|ehlo)\b`)},
	{AboutLimit, regexp.MustCompile(`quota|\blimit|too many|\brate\b|exceeded`)},
	{AboutRelay, regexp.MustCompile(`\brelay`)},
	{AboutPolicy, regexp.MustCompile(`block(ed|ing)? ?(using|list)?|black ?list|dnsbl|\brbl\b|spam|reputation|banned|listed`)},
	{AboutSender, regexp.MustCompile(`\bsend(er\b|as)|send as|not owned|\bspf\b|\bdkim\b|\bdmarc\b`)},
	{AboutLogin, regexp.MustCompile(`authenticat|\blog ?in\b|credential`)},
}

func (s status) byPhase() Subject {
	switch {
	case s.code == 421 || s.phase == Connect || s.code < 400:
		return AboutServer
	case s.subject == "7" && (s.code/100 == 5 || s.phase != Rcpt):
		return AboutPolicy
	case s.subject == "3" || s.subject == "4" || s.subject == "5":
		return AboutServer
	case s.phase == Rcpt:
		return AboutMailbox
	case s.phase == Mail:
		return AboutSender
	}
	return AboutContent
}

// Ended returns the attempt that ended in phase because of err. A nil err means that
// the server accepted the mail.
func Ended(phase Phase, err error) Attempt {
	if err == nil {
		return Attempt{Phase: phase, State: Sent}
	}
	reply, ok := errors.AsType[*textproto.Error](err)
	if !ok || reply.Code/100 == 2 && phase == Dot {
		return withoutReply(phase, err)
	}
	s := statusOf(phase, reply)
	a := Attempt{Phase: phase, State: Deferred, About: s.about(), Reply: fmt.Sprintf("%d %s", reply.Code, reply.Msg), Enhanced: s.enhanced()}
	if s.permanent(a.About) {
		a.State = Rejected
	}
	return a
}

// ErrWithdrawn is the error of an attempt that this side ended before the final dot.
var ErrWithdrawn = errors.New("withdrawn before the final dot")

// withoutReply returns the attempt that ended without a reply that decides it: the
// connection was lost, or the time was over. Once the recipient was named, that may be
// because the server waits for the recipient's own server.
func withoutReply(phase Phase, err error) Attempt {
	a := Attempt{Phase: phase, State: Deferred, About: AboutDomain, Reply: err.Error()}
	switch {
	case errors.Is(err, ErrWithdrawn):
		a.About = ""
	case phase == Connect, phase == Mail:
		a.About = AboutServer
	case phase == Dot:
		a.State = Unknown
	}
	return a
}

// IsDeadAddress reports whether an enhanced code without its class states that the address
// does not exist and will not: no further mail should be sent to it.
func IsDeadAddress(enhanced string) bool {
	subject, detail, _ := strings.Cut(enhanced, ".")
	return subject == "1" && detail != "7" && detail != "8" && detail != "0"
}

// enhanced returns the enhanced code without its class, such as 1.1; empty without one.
func (s status) enhanced() string {
	if s.subject == "" {
		return ""
	}
	return s.subject + "." + s.detail
}

// isLoginCode reports whether a reply code is about the shop's credentials.
func isLoginCode(code int) bool {
	return code == 530 || code == 534 || code == 535 || code == 538
}
