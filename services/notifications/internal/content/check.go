package content

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"troupe/platform/money"
)

// Check renders sample notices of a kind in every language, as a mail and as an inbox
// entry as asked for. Its error names the kind, the language and the file to add or to
// correct.
func (r *Renderer) Check(kind string, mail, inbox bool) error {
	var problems []error
	for _, language := range r.names {
		if err := r.checkLanguage(language, kind, mail, inbox); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}

func (r *Renderer) checkLanguage(language, kind string, mail, inbox bool) error {
	file := folder + fileOf(language, kind)
	if _, ok := r.languages[language][kind]; !ok {
		return fmt.Errorf("customers are notified about %q, but it has no template in language %q: add %s", kind, language, file)
	}
	for _, s := range samples(kind, language) {
		if mail {
			m, err := r.complete(r.Mail(s.recipient, s.notice, s.order))
			if err := problem(err, "subject", m.Subject); err != nil {
				return fmt.Errorf("the mail about %q cannot be rendered in language %q: correct %s: %w", kind, language, file, err)
			}
		}
		if inbox {
			e, err := r.Entry(language, s.notice)
			if err := problem(err, "title", e.Title, "body", e.Body); err != nil {
				return fmt.Errorf("the inbox entry about %q cannot be rendered in language %q: correct %s: %w", kind, language, file, err)
			}
		}
	}
	return nil
}

// problem returns err, or an error that names the first of the parts that is empty.
// namesAndParts alternates between the name of a part and its text.
func problem(err error, namesAndParts ...string) error {
	if err != nil {
		return err
	}
	for pair := range slices.Chunk(namesAndParts, 2) {
		if strings.TrimSpace(pair[1]) == "" {
			return fmt.Errorf("the %s is empty", pair[0])
		}
	}
	return nil
}

type sample struct {
	recipient Recipient
	notice    Notice
	order     *Order
}

// samples returns a notice in which everything is set, and one with as little as
// possible: no reason, and an order whose content is not known.
func samples(kind, language string) []sample {
	price := money.Money{Amount: 1299, Currency: "EUR"}
	full := Notice{Kind: kind, OrderID: "019b0000-0000-7000-8000-00001a2b3c4d", Amount: price, Reason: "sample"}
	return []sample{
		{Recipient{Locale: language, Unsubscribe: "https://shop.example/unsubscribe"}, full, &Order{Lines: []OrderLine{{Name: "Mug", Quantity: 1, UnitPrice: price}}, Total: price}},
		{Recipient{Locale: language}, Notice{Kind: kind}, nil},
	}
}
