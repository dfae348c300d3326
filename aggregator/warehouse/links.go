package warehouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/go-faster/city"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// Nearly every event states an identity link, both of whose directions nearly always
// are stored already, and of a link only the earliest sighting counts. So a node
// remembers the links that it has stored and leaves out what would change nothing.
//
// That is right only while the stored links are still there: an erasure removes links, and
// a restored backup has none of the later ones. Both show in the condition of the
// database, which is read before every insert; when it changes, everything is forgotten.

// knownLinks is a bounded memory of links: the hash of a link picks a set of slots, and the
// oldest slot of the set is overwritten. A link that it has forgotten is stored once more.
type knownLinks struct {
	mu        sync.Mutex
	condition condition
	slots     []knownLink
}

type knownLink struct {
	hash city.U128
	at   int64 // earliest sighting that is stored
}

const (
	knownSets = 1 << 17
	knownWays = 4 // slots of a set, of 24 bytes; 12 MB in all
)

// condition tells a database apart from its state before links were removed.
type condition struct {
	table   string // the identity of identity_links: a restore makes a new one
	removal uint64 // the number of the last deletion from it
	started int64  // when the server was, in Unix seconds: its files may have been put back before
}

// startedSlack is how far, in seconds, two readings of when a server started lie apart.
const startedSlack = 3

func (c condition) same(d condition) bool {
	return c.table == d.table && c.removal == d.removal && max(c.started-d.started, d.started-c.started) <= startedSlack
}

// readCondition reads the condition of the database, and whether there are tombstones of
// one of the apps.
func (w *server) readCondition(ctx context.Context, apps []string) (c condition, erased bool, err error) {
	err = each(ctx, w.facts, func(rows driver.Rows) error {
		return rows.Scan(&c.table, &c.removal, &c.started, &erased)
	}, `SELECT (SELECT toString(any(uuid)) FROM system.tables WHERE database = currentDatabase() AND name = 'identity_links'),
    (SELECT max(toUInt64OrZero(extract(mutation_id, '[0-9]+'))) FROM system.mutations WHERE database = currentDatabase() AND table = 'identity_links'),
    toInt64(toUnixTimestamp(now())) - toInt64(uptime()), count() > 0
FROM (SELECT 1 FROM erasures WHERE app_id IN (?) LIMIT 1)`, apps)
	if err != nil {
		return c, false, fmt.Errorf("read the condition of the database: %w", err)
	}
	return c, erased, nil
}

// fresh returns the links that are not known to be stored.
func (k *knownLinks) fresh(now condition, links []attribution.Link) []attribution.Link {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.condition.same(now) || k.slots == nil {
		k.condition, k.slots = now, make([]knownLink, knownSets*knownWays)
	}
	unknown := make([]attribution.Link, 0, len(links)/8)
	for i := range links {
		if at, ok := k.find(linkHash(&links[i])); !ok || links[i].Received < at {
			unknown = append(unknown, links[i])
		}
	}
	return unknown
}

// add remembers links that were stored while the database was in a condition.
func (k *knownLinks) add(then condition, links []attribution.Link) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.condition.same(then) || k.slots == nil {
		return
	}
	for i := range links {
		hash, at := linkHash(&links[i]), links[i].Received
		set := k.set(hash)
		slot := knownWays - 1
		for j := range set {
			if set[j].hash == hash {
				slot, at = j, min(at, set[j].at)
				break
			}
		}
		copy(set[1:slot+1], set[:slot])
		set[0] = knownLink{hash, at}
	}
}

func (k *knownLinks) set(hash city.U128) []knownLink {
	first := int(hash.Low%knownSets) * knownWays
	return k.slots[first : first+knownWays]
}

func (k *knownLinks) find(hash city.U128) (at int64, ok bool) {
	for _, l := range k.set(hash) {
		if l.hash == hash {
			return l.at, true
		}
	}
	return 0, false
}

// linkHash is long enough for two links never to have the same. Nor is it that of an empty slot.
func linkHash(l *attribution.Link) city.U128 {
	b := make([]byte, 0, 192)
	for _, text := range [...]string{l.App, l.A, l.B} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	h := city.CH128(b)
	h.High |= 1
	return h
}
