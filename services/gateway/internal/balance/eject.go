package balance

import (
	"cmp"
	"time"
)

// Ejection takes a target that keeps failing out of use for a while. A zero field means
// its default.
type Ejection struct {
	Failures int           // in a row, 5
	Base     time.Duration // how long the first ejection lasts, 5 s; each that follows without a success in between lasts twice as long
	Longest  time.Duration // 1 min
	Percent  int           // the largest share of targets out of use, 50; if more are sick, all are used
}

func (e Ejection) withDefaults() Ejection {
	e.Failures = cmp.Or(e.Failures, 5)
	e.Base = cmp.Or(e.Base, 5*time.Second)
	e.Longest = max(cmp.Or(e.Longest, time.Minute), e.Base)
	e.Percent = cmp.Or(e.Percent, 50)
	return e
}

// duration returns how long the n-th ejection in a row lasts.
func (e Ejection) duration(n int) time.Duration {
	d := e.Base
	for ; n > 1 && d < e.Longest; n-- {
		d *= 2
	}
	return min(d, e.Longest)
}

// Succeeded records that an attempt at the target succeeded.
func (b *Balancer) Succeeded(t *Target) {
	if t.flawless.Load() {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	t.failures, t.ejections = 0, 0
	t.flawless.Store(true)
}

// Failed records that an attempt at the target failed. Enough failures in a row eject it;
// after an ejection, one does.
func (b *Balancer) Failed(t *Target) {
	now := b.config.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	t.flawless.Store(false)
	t.failures++
	if now.Before(t.ejectedUntil) || t.failures < b.config.Ejection.Failures && t.ejections == 0 {
		return
	}
	t.ejections++
	lasts := b.config.Ejection.duration(t.ejections)
	t.failures, t.ejectedUntil = 0, now.Add(lasts)
	b.metrics.ejections.Inc()
	b.lookUpSoon()
	if len(b.pool.Load().all) > 1 {
		b.config.Log.Warn("target ejected because it keeps failing", "upstream", b.config.Name, "target", t.Address, "for", lasts)
	}
	b.rebuild()
}

// rebuild determines which targets are used now. The caller holds the lock.
func (b *Balancer) rebuild() {
	now, p := b.config.Now(), &pool{}
	for _, o := range b.origins {
		p.all = append(p.all, o.targets...)
	}
	for _, t := range p.all {
		switch t.state(now) {
		case healthy:
			p.usable = append(p.usable, t)
		case ejected:
			if p.changes.IsZero() || t.ejectedUntil.Before(p.changes) {
				p.changes = t.ejectedUntil
			}
		case unhealthy:
		}
	}
	sick := len(p.all) - len(p.usable)
	panics := sick*100 > b.config.Ejection.Percent*len(p.all) || len(p.usable) == 0
	if panics {
		p.usable = p.all
	}
	if panics && !b.panics && len(p.all) > 1 {
		b.config.Log.Warn("most targets are sick, so all of them are used", "upstream", b.config.Name, "sick", sick, "of", len(p.all))
	}
	b.panics = panics
	b.pool.Store(p)
}
