package story

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"troupe/events"
	"troupe/platform/money"
)

// cancelledVerdict returns the verdict on a cancelled order: why it was cancelled, and what
// became of the stock, the money and the customer's notice.
func (k *knowledge) cancelledVerdict() string {
	why := fmt.Sprintf("Cancelled after %s: %s.", k.after(cancelled), k.whyCancelled())
	return k.join(why + " " + sentence(list([]string{k.stockEnd(), k.moneyEnd(), k.customerEnd("order.cancelled")})))
}

func (k *knowledge) whyCancelled() string {
	switch reason := k.reasonOf(cancelled); reason {
	case "payment_declined":
		return "the card was declined" + because(k.reasonOf(declined), "card_declined", "declined")
	case "stock_rejected":
		return k.whatWasShort()
	case "deadline":
		return "it was not completed in time" + k.whoWasLate()
	case "customer":
		return "the customer cancelled it"
	case "admin":
		return "the shop cancelled it"
	case "capture_failed":
		return "the money could not be collected" + because(k.reasonOf(captureFailed), "capture_failed")
	case "":
		return "why is not in the journal"
	default:
		return strings.ReplaceAll(reason, "_", " ")
	}
}

// because returns a provider's code in words, in parentheses, unless it is one of those that
// add nothing.
func because(code string, plain ...string) string {
	if slices.Contains(plain, code) {
		return ""
	}
	return inParentheses(strings.ReplaceAll(code, "_", " "))
}

func (k *knowledge) whatWasShort() string {
	e := k.firstOf(rejected)
	if e == nil {
		if k.happened(released) {
			return "its reservation of the stock had expired"
		}
		return "it was out of stock"
	}
	var data events.StockRejected
	if json.Unmarshal(e.Data, &data) != nil || len(data.Short) == 0 {
		return "it was out of stock"
	}
	parts := make([]string, len(data.Short))
	for i, s := range data.Short {
		parts[i] = fmt.Sprintf("%s was out of stock (%d ordered, %d available)", s.SKU, s.Wanted, s.Available)
	}
	return list(parts)
}

// whoWasLate returns which answers had not come when the deadline passed.
func (k *knowledge) whoWasLate() string {
	end := k.firstOf(cancelled)
	var late []string
	for service, types := range map[string][]string{"inventory": {reserved, rejected}, "payments": {authorized, declined}} {
		if e := k.firstOf(types...); e == nil || e.At.After(end.At) {
			late = append(late, service)
		}
	}
	if len(late) == 0 {
		return ""
	}
	slices.Sort(late)
	return ", because " + list(late) + " did not answer"
}

func (k *knowledge) stockEnd() string {
	if e := k.firstOf(released); e != nil {
		var data events.StockReleased
		_ = json.Unmarshal(e.Data, &data)
		switch {
		case k.happened(committed):
			return "the stock was put back"
		case len(data.Lines) > 0, k.happened(reserved):
			return "stock was released"
		}
		return "no stock was held"
	}
	switch {
	case k.happened(reserved, committed):
		return "the stock is not released yet"
	case k.happened(rejected):
		return "no stock was held"
	}
	return "whether stock is held is not known"
}

func (k *knowledge) moneyEnd() string {
	switch {
	case k.happened(refunded):
		var data events.PaymentRefunded
		if json.Unmarshal(k.firstOf(refunded).Data, &data) != nil || data.Amount.Amount == 0 {
			return "the money was refunded"
		}
		return money.Money(data.Amount).String() + " was refunded"
	case k.happened(declined, voided):
		return "nothing was charged"
	case k.happened(captured):
		return "the money is not refunded yet"
	case k.happened(authorized):
		return "the amount is still blocked on the card"
	}
	return "whether the amount is blocked on the card is not known"
}

// message is what is known of the messages to the customer about one kind of event.
type message struct {
	kind     string
	sent     bool
	failed   bool
	channels []string // over which it was sent
	reason   string   // why it failed
}

// messages returns what is known of the messages to the customer, the first kind first.
func (k *knowledge) messages() (all []*message) {
	for _, e := range k.emits {
		if e.Type != sent && e.Type != notSent {
			continue
		}
		var data events.NotificationFailed // which has all fields of the other
		if json.Unmarshal(e.Data, &data) != nil {
			continue
		}
		i := slices.IndexFunc(all, func(m *message) bool { return m.kind == data.Kind })
		if i < 0 {
			i = len(all)
			all = append(all, &message{kind: data.Kind})
		}
		m := all[i]
		if e.Type == notSent {
			m.failed, m.reason = true, data.Reason
			continue
		}
		m.sent = true
		if name := channelName(data.Channel); !slices.Contains(m.channels, name) {
			m.channels = append(m.channels, name)
		}
	}
	return all
}

func channelName(channel string) string {
	if channel == "email" {
		return "mail"
	}
	return channel
}

// customerEnd returns whether the customer knows of the event.
func (k *knowledge) customerEnd(kind string) string {
	for _, m := range k.messages() {
		switch {
		case m.kind != kind:
		case m.sent:
			slices.Sort(m.channels)
			return "the customer was told by " + list(m.channels)
		case m.failed:
			return "the customer could not be told"
		}
	}
	if e := k.firstOf(cancelled); e != nil && k.complete() && firstOK(k.deliveries[delivery{e.EventID, "notifications"}]) != nil {
		return "no message has been sent to the customer yet"
	}
	return "whether the customer was told is not known"
}
