package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	chdriver "github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// The people of the generated data. Each has a user, an anonymous and a device id, and
// touchesPerPerson touches over 30 days that carry the latter two.
const (
	benchApp         = "bench"
	touchesPerPerson = 4
	keysPerTouch     = 2
	touchesPerInsert = 500_000
)

// population generates data in ClickHouse itself, far faster than it could be sent.
type population struct {
	conn chdriver.Conn
	app  string
	from int64 // first millisecond of the 30 days
}

func openPopulation(dsn, app string, now time.Time) (*population, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("parse ClickHouse DSN: %w", err)
	}
	options.ReadTimeout = 10 * time.Minute
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("open ClickHouse: %w", err)
	}
	return &population{conn: conn, app: app, from: now.Add(-31 * 24 * time.Hour).UnixMilli()}, nil
}

// The parts of generated ids and keys, as SQL over a person's number.
const (
	anonSQL   = "concat('anon:', lower(hex(sipHash128(person, 'anon'))))"
	deviceSQL = "concat('device:', lower(hex(sipHash128(person, 'device'))))"
	userSQL   = "concat('user:', toString(person))"
)

// touches stores the touches of people, so many keys in all, and calls told with how many there are.
func (p *population) touches(ctx context.Context, keys int, told func(int)) error {
	all := keys / keysPerTouch
	for first := 0; first < all; first += touchesPerInsert {
		n := min(touchesPerInsert, all-first)
		err := p.exec(ctx, `INSERT INTO touches (app_id, touch_id, original, time, received, digest, kind, media_source, medium, campaign, adset, ad, sub, link_id, click_id, keys)
SELECT {app:String}, concat(lower(hex(sipHash64(number, 'touch'))), '-', toString(number)), at, at, at, sipHash64(number),
    if(number % 3 = 0, 'impression', 'click'), ['google', 'meta', 'tiktok', 'newsletter', 'partner'][1 + sipHash64(number, 1) % 5], 'cpc',
    concat('campaign-', toString(sipHash64(number, 2) % 40)), concat('adset-', toString(sipHash64(number, 3) % 200)), concat('ad-', toString(sipHash64(number, 4) % 900)),
    [], '', '', arraySort([`+anonSQL+`, `+deviceSQL+`])
FROM (SELECT number, intDiv(number, {each:UInt64}) AS person,
        {from:Int64} + toInt64(sipHash64(number, 5) % 2592000000) AS at FROM numbers({first:UInt64}, {n:UInt64}))`,
			clickhouse.Parameters{"app": p.app, "each": fmt.Sprint(touchesPerPerson), "from": fmt.Sprint(p.from), "first": fmt.Sprint(first), "n": fmt.Sprint(n)})
		if err != nil {
			return fmt.Errorf("generate touches: %w", err)
		}
		told((first + n) * keysPerTouch)
	}
	return nil
}

// conversions stores an order and the identity links of each of n people.
func (p *population) conversions(ctx context.Context, n int) error {
	parameters := clickhouse.Parameters{"app": p.app, "at": fmt.Sprint(p.from + 2_592_000_000), "n": fmt.Sprint(n)}
	err := p.exec(ctx, `INSERT INTO identity_links (app_id, a, b, received)
SELECT {app:String}, pair.1, pair.2, {at:Int64} FROM (SELECT [`+anonSQL+`, `+deviceSQL+`, `+userSQL+`] AS keys FROM (SELECT number AS person FROM numbers({n:UInt64})))
ARRAY JOIN arrayFilter(pair -> pair.1 != pair.2, arrayFlatten(arrayMap(a -> arrayMap(b -> (a, b), keys), keys))) AS pair`, parameters)
	if err != nil {
		return fmt.Errorf("generate identity links: %w", err)
	}
	err = p.exec(ctx, `INSERT INTO conversions (app_id, conversion_id, original, time, received, digest, name, install, revenue, has_revenue, currency, keys)
SELECT {app:String}, concat('order-', toString(person)), at, at, at, sipHash64(person), 'Order Completed', false, toInt64(1000000 + person % 100000000), true, 'EUR',
    arraySort([`+anonSQL+`, `+deviceSQL+`, `+userSQL+`])
FROM (SELECT number AS person, {at:Int64} + toInt64(number % 3600000) AS at FROM numbers({n:UInt64}))`, parameters)
	if err != nil {
		return fmt.Errorf("generate conversions: %w", err)
	}
	return nil
}

// facts are the facts of a batch with the orders of some people: the conversions and the links.
func (p *population) facts(ctx context.Context, first, n int) (attribution.Facts, error) {
	var f attribution.Facts
	rows, err := p.conn.Query(ctx, `SELECT conversion_id, time, received, digest, keys FROM conversions
WHERE app_id = ? AND conversion_id IN (SELECT concat('order-', toString(number)) FROM numbers(?, ?))`, p.app, first, n)
	if err != nil {
		return f, fmt.Errorf("read generated conversions: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		c := attribution.Conversion{App: p.app}
		if err := rows.Scan(&c.ID, &c.Time, &c.Received, &c.Digest, &c.Keys); err != nil {
			return f, fmt.Errorf("read generated conversions: %w", err)
		}
		f.Conversions = append(f.Conversions, c)
		for i, a := range c.Keys {
			for _, b := range c.Keys[i+1:] {
				f.Links = append(f.Links, attribution.Link{App: p.app, A: a, B: b, Received: c.Received})
			}
		}
	}
	return f, rows.Err()
}

// settle waits until ClickHouse has stopped merging, for two minutes at most.
func (p *population) settle(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for quiet, waited := 0, 0; quiet < 3 && waited < 120; waited++ {
		var merges uint64
		if err := p.conn.QueryRow(ctx, "SELECT count() FROM system.merges").Scan(&merges); err != nil {
			return fmt.Errorf("look at merges: %w", err)
		}
		if quiet++; merges > 0 {
			quiet = 0
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (p *population) exec(ctx context.Context, statement string, parameters clickhouse.Parameters) error {
	ctx = clickhouse.Context(ctx, clickhouse.WithParameters(parameters), clickhouse.WithSettings(clickhouse.Settings{
		"max_insert_threads": 1, "max_partitions_per_insert_block": 1000, "min_insert_block_size_rows": 1_048_576, "max_execution_time": 600,
	}))
	return p.conn.Exec(ctx, statement)
}

// forget removes the computed attributions.
func (p *population) forget(ctx context.Context) error {
	for _, table := range []string{"attributions", "what_if_attributions", "what_if_runs"} {
		if err := p.exec(ctx, "TRUNCATE TABLE "+table, nil); err != nil {
			return fmt.Errorf("empty %s: %w", table, err)
		}
	}
	return nil
}

func (p *population) close() error { return p.conn.Close() }
