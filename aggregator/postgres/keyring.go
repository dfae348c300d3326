package postgres

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The master key can be changed while nodes run. A sealed secret says under which key it is, by a name
// that is derived from the key, and the database says which key is in force: everything new is sealed
// under that, by whatever node. A node opens with any of the keys that it was given.
//
//	one key ─► every node is given the old and the new one ─► RotateMasterKey ─► every node is given the new one
//
// From the second step on the old key seals nothing, after the third nothing is left under it, and a node
// that has no other is refused.

// keyring is the master keys that a node was given. It does not change.
type keyring struct {
	first *sealer
	all   map[string]*sealer // by the key's name
}

func newKeyring(keys [][]byte) (*keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("the master key is missing")
	}
	ring := &keyring{all: map[string]*sealer{}}
	for i, key := range keys {
		s, err := newSealer(key)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			ring.first = s
		}
		ring.all[string(s.name)] = s
	}
	return ring, nil
}

func (r *keyring) names() string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(r.all)) {
		names = append(names, hex.EncodeToString([]byte(name)))
	}
	return strings.Join(names, " and ")
}

// open opens a secret that was sealed under any of the keys.
func (r *keyring) open(name string, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+keyNameBytes || sealed[0] != sealedVersion {
		return nil, errDamaged(name)
	}
	key := sealed[1 : 1+keyNameBytes]
	s, ok := r.all[string(key)]
	if !ok {
		return nil, fmt.Errorf("secret %s was sealed under another master key, %x, and not under %s: start with the master key that this database was created with, or that it was changed to", name, key, r.names())
	}
	return s.open(name, sealed)
}

// seal seals under the key in force, which stays in force until the transaction ends.
func (r *keyring) seal(ctx context.Context, tx pgx.Tx, name string, plain []byte) ([]byte, error) {
	key, err := r.inForce(ctx, tx, "SHARE")
	if err != nil {
		return nil, err
	}
	s, ok := r.all[string(key)]
	if !ok {
		return nil, fmt.Errorf("the master key in force is %x, and this node has only %s: give it that one too", key, r.names())
	}
	return s.seal(name, plain)
}

// inForce returns the name of the key in force, locked. Where none is, because the database is new or from
// before there was a choice, it puts one into force.
func (r *keyring) inForce(ctx context.Context, tx pgx.Tx, lock string) (name []byte, err error) {
	for range 3 { // a key that is changed while we wait for its lock is not there afterwards
		err = tx.QueryRow(ctx, `SELECT name FROM master_keys WHERE retired_at IS NULL FOR `+lock).Scan(&name)
		if !errors.Is(err, pgx.ErrNoRows) {
			break
		}
		if err := r.enthrone(ctx, tx); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for the master key in force: %w", err)
	}
	return name, nil
}

// enthrone puts a key into force unless one is: that of the oldest secret, or the first one.
func (r *keyring) enthrone(ctx context.Context, tx pgx.Tx) error {
	name := r.first.name
	err := tx.QueryRow(ctx, `SELECT substring(sealed FROM 2 FOR $1) FROM secrets ORDER BY created_at LIMIT 1`, keyNameBytes).Scan(&name)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("look for a sealed secret: %w", err)
	}
	if r.all[string(name)] == nil {
		return fmt.Errorf("there are secrets under master key %x, and this node has only %s: start with the master key that this database was created with", name, r.names())
	}
	if _, err := tx.Exec(ctx, `INSERT INTO master_keys (name) VALUES ($1) ON CONFLICT DO NOTHING`, name); err != nil {
		return fmt.Errorf("put a master key into force: %w", err)
	}
	return nil
}

// checkKeys returns an error unless the node has the master key in force.
func (a *Pool) checkKeys(ctx context.Context) error {
	var name []byte
	err := a.pool.QueryRow(ctx, `SELECT name FROM master_keys WHERE retired_at IS NULL`).Scan(&name)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil // nothing is sealed yet, or it is seen when it is opened
	case err != nil:
		return Wrap("read master keys", err)
	case a.keys.all[string(name)] == nil:
		return fmt.Errorf("the master key was changed: %x is in force, and this node has only %s", name, a.keys.names())
	}
	return nil
}

// Seal seals what must be read again under the master key in force, whose row it locks until the
// transaction ends: a key that is put into force meanwhile finds it.
func (a *Pool) Seal(ctx context.Context, tx pgx.Tx, name string, plain []byte) ([]byte, error) {
	return a.keys.seal(ctx, tx, name, plain)
}

// Unseal opens what seal sealed under the same name.
func (a *Pool) Unseal(name string, sealed []byte) ([]byte, error) {
	return a.keys.open(name, sealed)
}
