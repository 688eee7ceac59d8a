package inventory

import (
	"context"
	"errors"
	"fmt"

	"troupe/events"
	"troupe/patterns/audit"
	"troupe/patterns/event"
	"troupe/patterns/idempotency"
	"troupe/platform/fault"
	"troupe/platform/money"
	"troupe/platform/sqldb"
	"troupe/services/inventory/internal/stock"
	"troupe/services/inventory/internal/store"
)

// offer adds a product or changes it if check allows that for the product as it is, and
// publishes product.changed unless nothing changes. It reports whether the product is new.
// It fails with store.ErrLostRace if another request changes the product meanwhile.
func (s *service) offer(ctx context.Context, p store.Product, check func(old store.Product) error) (offered store.Product, added bool, err error) {
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		if offered, added, err = s.offerIn(ctx, tx, p, check); err != nil {
			return err
		}
		return s.Audit.Record(ctx, tx, audit.Entry{Action: "offer_product", Target: p.SKU, Detail: "at " + p.Price.String()})
	})
	return offered, added, err
}

// unconditional allows any change.
func unconditional(store.Product) error { return nil }

func (s *service) offerIn(ctx context.Context, tx sqldb.Tx, p store.Product, check func(old store.Product) error) (store.Product, bool, error) {
	old, found, err := store.FindProduct(ctx, tx, p.SKU)
	if err != nil {
		return p, false, err
	}
	if err := check(old); err != nil {
		return p, false, err
	}
	p.Version, p.Available = old.Version, old.Available
	if found && p == old {
		return p, false, nil
	}
	p.Version++
	save := store.UpdateProduct
	if !found {
		save = store.InsertProduct
	}
	if err := save(ctx, tx, p); err != nil {
		return p, false, err
	}
	return p, !found, s.Outbox.Add(ctx, tx, productChanged(p))
}

// adjustment is an admin's change of the total stock of a product.
type adjustment struct {
	SKU    string
	Delta  int64
	Reason string
	ByID   string
	Key    string // the Idempotency-Key
}

// adjust brings in or writes off stock, once per idempotency key.
func (s *service) adjust(ctx context.Context, a adjustment) (level stock.Level, err error) {
	request := idempotency.Request{Caller: a.ByID, Operation: "POST /products/" + a.SKU + "/stock", Key: a.Key, Body: a}
	err = s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		level, _, err = idempotency.Once(ctx, tx, request, s.Now(), func() (stock.Level, error) {
			if level, err = s.adjustIn(ctx, tx, a); err != nil {
				return level, err
			}
			return level, s.Audit.Record(ctx, tx, audit.Entry{Action: "adjust_stock", Target: a.SKU, Detail: fmt.Sprintf("by %+d", a.Delta)})
		})
		return err
	})
	return level, err
}

func (s *service) adjustIn(ctx context.Context, tx sqldb.Tx, a adjustment) (stock.Level, error) {
	if err := store.LockStock(ctx, tx); err != nil {
		return stock.Level{}, err
	}
	levels, err := store.Levels(ctx, tx, []string{a.SKU})
	if err != nil {
		return stock.Level{}, err
	}
	level, found := levels.Level(a.SKU)
	if !found {
		return level, missingProduct(a.SKU)
	}
	if err := level.Adjust(a.Delta); err != nil {
		return level, err
	}
	level.Version++
	if err := store.SaveLevels(ctx, tx, level); err != nil {
		return level, err
	}
	moved := store.Movement{ID: s.NewID(), SKU: a.SKU, Delta: a.Delta, Reason: a.Reason, ByID: a.ByID, At: s.Now()}
	if err := store.InsertMovement(ctx, tx, moved); err != nil {
		return level, err
	}
	return level, s.Outbox.Add(ctx, tx, events.StockChanged{SKU: a.SKU, Available: level.Available, Version: level.Version})
}

// productsPage returns the events that announce products and their stock as they are now.
func productsPage(ctx context.Context, q sqldb.Querier, after string, limit int) (payloads []event.Payload, last string, err error) {
	products, err := store.AllProducts(ctx, q, after, limit)
	if err != nil {
		return nil, "", err
	}
	for _, p := range products {
		payloads = append(payloads, productChanged(p.Product), events.StockChanged{SKU: p.SKU, Available: p.Available, Version: p.StockVersion})
		last = p.SKU
	}
	return payloads, last, nil
}

func productChanged(p store.Product) events.ProductChanged {
	return events.ProductChanged{SKU: p.SKU, Name: p.Name, Price: events.Money(p.Price), Active: p.Active, Version: p.Version}
}

func missingProduct(sku string) error {
	return fault.Missing("product", sku, "GET /products lists the products on offer")
}

// demo is the catalogue of a system that was started for the first time.
var demo = []struct {
	product store.Product
	stocked int64
}{
	{store.Product{SKU: "ticket-stalls", Name: "Ticket, stalls", Description: "A seat near the stage, for any evening of the season.", Price: eur(4200)}, 500},
	{store.Product{SKU: "ticket-balcony", Name: "Ticket, balcony", Description: "The best view of the whole stage.", Price: eur(2400)}, 800},
	{store.Product{SKU: "programme", Name: "Programme booklet", Description: "Cast, story and pictures of the rehearsals.", Price: eur(600)}, 2000},
	{store.Product{SKU: "opera-glasses", Name: "Opera glasses", Description: "Brass, three times magnifying, with a leather case.", Price: eur(5900)}, 120},
	{store.Product{SKU: "venetian-mask", Name: "Venetian mask", Description: "Papier-mâché, painted by hand in our workshop.", Price: eur(3450)}, 75},
	{store.Product{SKU: "poster-signed", Name: "Poster, signed by the troupe", Description: "A2, numbered; when they are gone, they are gone.", Price: eur(1800)}, 40},
	{store.Product{SKU: "tote-bag", Name: "Tote bag", Description: "Made of last season's backdrop, each one different.", Price: eur(1500)}, 300},
	{store.Product{SKU: "gift-card-50", Name: "Gift card", Description: "An evening of their choice.", Price: eur(5000)}, 1000},
}

// eur returns a demo price; these are known to be valid.
func eur(cents int64) money.Money { return money.Money{Amount: cents, Currency: "EUR"} }

// offerDemo fills the catalogue if it is empty. Replicas may start together: the
// second one loses the race for the first product and leaves the catalogue alone.
func (s *service) offerDemo(ctx context.Context) error {
	err := s.DB.Tx(ctx, func(ctx context.Context, tx sqldb.Tx) error {
		empty, err := store.NoProducts(ctx, tx)
		if err != nil || !empty {
			return err
		}
		for _, d := range demo {
			d.product.Active = true
			if _, _, err := s.offerIn(ctx, tx, d.product, unconditional); err != nil {
				return err
			}
			if _, err := s.adjustIn(ctx, tx, adjustment{SKU: d.product.SKU, Delta: d.stocked, Reason: "demo catalogue"}); err != nil {
				return err
			}
		}
		return nil
	})
	if errors.Is(err, store.ErrLostRace) {
		return nil
	}
	return err
}
