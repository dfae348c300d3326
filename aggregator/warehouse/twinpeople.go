package warehouse

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/ext"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// maxTwinKeys bounds the keys of the people of one computation.
const maxTwinKeys = 500_000

// people finds the keys that suffice for a computation: those that any variant of
// the wanted conversions, or of an install that may precede one of them, can reach
// over links of any time. Nothing of it decides a result.
type people struct {
	w   *Warehouse
	app string

	conversions map[string]*reachable // by id
	order       []*reachable
	distance    map[string]int      // of a key from the nearest conversion, in links
	linked      map[string][]string // neighbours of the keys that were followed
	asked       map[string]bool     // keys whose installs were read
	union       *attribution.Union  // over keys
	probable    map[string]bool     // fingerprints, which make nobody one person
	claims      map[string]bool     // clicks and orders that conversions name
}

// reachable is a conversion with all its variants.
type reachable struct {
	id    string
	asked bool
	times []int64
	keys  []string
}

func newPeople(w *Warehouse, app string) *people {
	return &people{
		w: w, app: app, conversions: make(map[string]*reachable), distance: make(map[string]int),
		linked: make(map[string][]string), asked: make(map[string]bool), union: attribution.NewUnion(0),
		probable: make(map[string]bool), claims: make(map[string]bool),
	}
}

// find follows links and installs until nothing new turns up.
func (p *people) find(ctx context.Context, ids []string) error {
	for _, id := range ids {
		if p.conversions[id] == nil {
			p.add(id).asked = true
		}
	}
	fresh := p.order
	for len(fresh) > 0 {
		known := len(p.order)
		if err := p.read(ctx, fresh); err != nil {
			return err
		}
		if err := p.follow(ctx, fresh); err != nil {
			return err
		}
		if err := p.installs(ctx); err != nil {
			return err
		}
		if err := p.orders(ctx); err != nil {
			return err
		}
		fresh = p.order[known:]
	}
	return nil
}

func (p *people) add(id string) *reachable {
	r := &reachable{id: id}
	p.conversions[id] = r
	p.order = append(p.order, r)
	return r
}

// read reads every variant of conversions.
func (p *people) read(ctx context.Context, conversions []*reachable) error {
	ids := make([]string, len(conversions))
	for i, c := range conversions {
		ids[i] = c.id
	}
	return p.w.lookup(ctx, ids, func(r driver.Rows) error {
		var id string
		var keys []string
		var at int64
		if err := r.Scan(&id, &keys, &at); err != nil {
			return err
		}
		c := p.conversions[id]
		for _, k := range keys {
			if attribution.Fingerprint(k) {
				p.probable[k] = true
			}
		}
		for _, k := range attribution.ClaimKeys(keys) {
			p.claims[k] = true
		}
		c.times, c.keys = append(c.times, at), append(c.keys, attribution.PersonKeys(keys)...)
		for _, k := range c.keys {
			p.join(c.keys[0], k)
		}
		return nil
	}, `SELECT conversion_id, keys, time FROM conversion_ids
WHERE app_id = ? AND id_hash IN (SELECT hash FROM wanted) AND conversion_id IN (SELECT value FROM wanted)`, p.app)
}

// follow finds the keys within MaxHops links of conversions.
func (p *people) follow(ctx context.Context, conversions []*reachable) error {
	var frontier []string
	reach := func(key string, hops int) {
		if d, ok := p.distance[key]; !ok || hops < d {
			p.distance[key] = hops
			frontier = append(frontier, key)
		}
	}
	for _, c := range conversions {
		for _, k := range c.keys {
			reach(k, 0)
		}
	}
	for hop := range attribution.MaxHops {
		from := frontier
		frontier = nil
		if err := p.neighbours(ctx, from); err != nil {
			return err
		}
		for _, key := range from {
			for _, n := range p.linked[key] {
				if attribution.Personal(n) {
					reach(n, hop+1)
				} else {
					p.distance[n] = hop + 1 // its touches count, and nothing is followed from it
				}
			}
		}
		if len(p.distance) > maxTwinKeys {
			return attribution.ErrTooManyKeys
		}
	}
	return nil
}

// neighbours reads the links of keys that were not read yet.
func (p *people) neighbours(ctx context.Context, keys []string) error {
	var unread []string
	for _, k := range keys {
		if _, ok := p.linked[k]; !ok {
			p.linked[k] = nil
			unread = append(unread, k)
		}
	}
	return p.w.lookup(ctx, unread, func(r driver.Rows) error {
		var a, b string
		if err := r.Scan(&a, &b); err != nil {
			return err
		}
		p.linked[a] = append(p.linked[a], b)
		if attribution.Personal(b) {
			p.join(a, b)
		}
		if p.union.Len() > maxTwinKeys {
			return attribution.ErrTooManyKeys
		}
		return nil
	}, `SELECT a, b FROM identity_links
WHERE app_id = ? AND a_hash IN (SELECT hash FROM wanted) AND a IN (SELECT value FROM wanted) AND a != b
GROUP BY a, b ORDER BY a, min(received), b LIMIT ? BY a`, p.app, attribution.MaxLinks)
}

// installs finds the installs under keys whose installs were not found yet.
func (p *people) installs(ctx context.Context) error {
	var unread []string
	ask := func(k string) {
		if !p.asked[k] {
			p.asked[k] = true
			unread = append(unread, k)
		}
	}
	for k := range p.distance {
		if attribution.Personal(k) {
			ask(k)
		}
	}
	for k := range p.claims { // of whomever they are: a click answers for one install
		if strings.HasPrefix(k, attribution.KeyClick) {
			ask(k)
		}
	}
	return p.w.lookup(ctx, unread, func(r driver.Rows) error {
		var id string
		err := r.Scan(&id)
		if p.conversions[id] == nil {
			p.add(id)
		}
		return err
	}, `SELECT DISTINCT conversion_id FROM conversion_keys
WHERE app_id = ? AND key_hash IN (SELECT hash FROM wanted) AND key IN (SELECT value FROM wanted) AND install`, p.app)
}

// orders finds the conversions that name an order that was not asked for yet.
func (p *people) orders(ctx context.Context) error {
	var unread []string
	for k := range p.claims {
		if strings.HasPrefix(k, attribution.KeyOrder) && !p.asked[k] {
			p.asked[k] = true
			unread = append(unread, k)
		}
	}
	return p.w.lookup(ctx, unread, func(r driver.Rows) error {
		var id string
		err := r.Scan(&id)
		if p.conversions[id] == nil {
			p.add(id)
		}
		return err
	}, `SELECT DISTINCT conversion_id FROM conversion_keys
WHERE app_id = ? AND key_hash IN (SELECT hash FROM wanted) AND key IN (SELECT value FROM wanted)`, p.app)
}

func (p *people) join(a, b string) { p.union.Join(p.app, a, b) }

func (p *people) times() []int64 {
	var list []int64
	for _, c := range p.order {
		list = append(list, c.times...)
	}
	return list
}

// span is the time that the touches of all conversions lie in: first < T <= last.
func (p *people) span(v twinVersions) (first, last int64) {
	times := p.times()
	if len(times) == 0 {
		return 0, 0
	}
	before, after := int64(0), int64(0)
	for i := range v {
		for _, install := range []bool{false, true} {
			b, a := v[i].settings.Span(install)
			before, after = max(before, b, v[i].settings.OpeningSpan()), max(after, a)
		}
	}
	first, last = times[0], times[0]
	for _, t := range times {
		first, last = min(first, t), max(last, t)
	}
	return first - before, last + after
}

// wanted is the table of the conversions. Those of one part may have to do with
// each other, those of different parts have not.
func (p *people) wanted() (*ext.Table, error) {
	table, err := ext.NewTable("given_wanted", ext.Column("hash", "UInt64"), ext.Column("value", "String"),
		ext.Column("asked", "Bool"), ext.Column("part", "UInt64"))
	if err != nil {
		return nil, fmt.Errorf("make table of wanted conversions: %w", err)
	}
	numbers := make(map[int32]uint64)
	for i, c := range p.order {
		part := uint64(i)
		if len(c.keys) > 0 {
			root := p.union.Join(p.app, c.keys[0])
			if known, ok := numbers[root]; ok {
				part = known
			}
			numbers[root] = part
		}
		if err := table.Append(city.CH64([]byte(c.id)), c.id, c.asked, part); err != nil {
			return nil, fmt.Errorf("fill table of wanted conversions: %w", err)
		}
	}
	return table, nil
}

// known is the table of the keys. A table without rows is not sent; one row that
// is nobody's makes sure of one.
func (p *people) known() (*ext.Table, error) {
	table, err := ext.NewTable("given_known", ext.Column("hash", "UInt64"), ext.Column("value", "String"))
	if err != nil {
		return nil, fmt.Errorf("make table of keys: %w", err)
	}
	if err := table.Append(city.CH64(nil), ""); err != nil {
		return nil, fmt.Errorf("fill table of keys: %w", err)
	}
	for _, keys := range []iter.Seq[string]{maps.Keys(p.distance), maps.Keys(p.probable), maps.Keys(p.claims)} {
		for k := range keys {
			if err := table.Append(city.CH64([]byte(k)), k); err != nil {
				return nil, fmt.Errorf("fill table of keys: %w", err)
			}
		}
	}
	return table, nil
}
