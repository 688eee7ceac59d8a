package content

import "cmp"

// Sample renders a sample of a kind of mail.
func (r *Renderer) Sample(kind, locale, reason, unsubscribe string) (Mail, error) {
	s := samples(kind, locale)[0]
	s.notice.Reason = cmp.Or(reason, "stock_rejected")
	s.recipient.Unsubscribe = unsubscribe
	return r.complete(r.Mail(s.recipient, s.notice, s.order))
}

// Test renders the mail by which an operator tests that mails arrive.
func (r *Renderer) Test(locale string) (Mail, error) {
	return r.complete(r.Mail(Recipient{Locale: locale}, Notice{Kind: test}, nil))
}

// Languages returns the languages that have templates.
func (r *Renderer) Languages() []string { return r.names }
