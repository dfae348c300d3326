package postgres

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sealedColumn is a column whose values are sealed. A new one must be listed: a test looks for those that
// are not.
type sealedColumn struct {
	table, key string // the table, and the column that names its rows
	label      string // prefix of the key in the name that a secret is sealed with
}

// FactorLabel is before the person in the name that their secret is sealed with.
const FactorLabel = "totp/"

// PostbackLabel is before the postback in the name that its secrets are sealed with.
const PostbackLabel = "postback/"

// sealedColumns are all of them; each column is called sealed.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{table: "secrets", key: "name"},
		{table: "totp", key: "user_id", label: FactorLabel},
		{table: "postbacks", key: "id", label: PostbackLabel},
	}
}

// resealBatch is how many secrets one transaction seals anew.
const resealBatch = 100

// Rotation tells what changing the master key did.
type Rotation struct {
	From     string `json:"from,omitempty"` // the former key's name, in hex; empty if an earlier change went on
	To       string `json:"to"`
	Resealed int    `json:"resealed"` // secrets sealed anew, this time
}

// RotateMasterKey puts the first of the keys that were given into force and seals everything anew that is
// under another of them. An interrupted change goes on when it is called again. Nodes may run: those that
// were given both keys notice nothing. Progress, which may be nil, hears how many are done.
func (a *Pool) RotateMasterKey(ctx context.Context, progress func(done int)) (Rotation, error) {
	r := Rotation{To: hex.EncodeToString(a.keys.first.name)}
	if progress == nil {
		progress = func(int) {}
	}
	if err := a.crown(ctx, &r); err != nil {
		return r, err
	}
	for _, column := range sealedColumns() {
		after := ""
		for {
			done, last, err := a.reseal(ctx, column, after)
			if err != nil {
				return r, fmt.Errorf("seal %s anew: %w", column.table, err)
			}
			if r.Resealed += done; done > 0 {
				progress(r.Resealed)
			}
			if last == "" {
				break
			}
			after = last
		}
	}
	return r, a.Record(ctx, "master_key.resealed", Success, r.To, "", r)
}

// crown puts the first key into force. From its commit on nothing is sealed under the old one: whoever
// seals holds the old row locked until the sealed secret is there to be found.
func (a *Pool) crown(ctx context.Context, r *Rotation) error {
	return a.Change(ctx, "change master key", func(tx pgx.Tx) error {
		before, err := a.keys.inForce(ctx, tx, "UPDATE")
		if err != nil || bytes.Equal(before, a.keys.first.name) {
			return err
		}
		if a.keys.all[string(before)] == nil {
			return Invalid("the master key in force is %x: give the new key and, after it, that one", before)
		}
		var retired bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM master_keys WHERE name = $1)`, a.keys.first.name).Scan(&retired); err != nil {
			return err
		}
		if retired {
			return Invalid("master key %s was in force before and is retired: make a new one with openssl rand -hex 32", r.To)
		}
		if _, err := tx.Exec(ctx, `UPDATE master_keys SET retired_at = now() WHERE name = $1`, before); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO master_keys (name) VALUES ($1)`, a.keys.first.name); err != nil {
			return err
		}
		r.From = hex.EncodeToString(before)
		return Audit(ctx, tx, Happened{Action: "master_key.change", Target: r.To, Detail: map[string]string{"from": r.From, "to": r.To}})
	})
}

// reseal seals a batch of a column anew, of the rows after the given one. Last is empty after the last.
func (a *Pool) reseal(ctx context.Context, c sealedColumn, after string) (done int, last string, err error) {
	err = a.Change(ctx, "seal anew", func(tx pgx.Tx) error {
		done, last = 0, ""
		rows, err := Collect(ctx, tx, func(row pgx.CollectableRow) (r struct {
			key    string
			sealed []byte
		}, err error) {
			return r, row.Scan(&r.key, &r.sealed)
		}, `SELECT `+c.key+`, sealed FROM `+c.table+` WHERE substring(sealed FROM 2 FOR $1) <> $2 AND `+c.key+` > $3 ORDER BY `+c.key+` LIMIT $4 FOR UPDATE`,
			keyNameBytes, a.keys.first.name, after, resealBatch)
		if err != nil {
			return err
		}
		for _, row := range rows {
			plain, err := a.keys.open(c.label+row.key, row.sealed)
			if err != nil {
				return err
			}
			sealed, err := a.keys.first.seal(c.label+row.key, plain)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `UPDATE `+c.table+` SET sealed = $2 WHERE `+c.key+` = $1`, row.key, sealed); err != nil {
				return err
			}
			done++
			last = row.key
		}
		return nil
	})
	return done, last, err
}
