package postgres

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// auditKeyName is the secret that signs heads of the audit log.
const auditKeyName = "audit-head"

// SignedHead says that the audit log had this entry last, and which hash, when it was signed. A log that
// does not hold the entry any more was cut off or rewritten.
type SignedHead struct {
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"` // in hex
	Time      time.Time `json:"time"`
	Key       string    `json:"key"`       // Ed25519 public key, in base64
	Signature string    `json:"signature"` // in base64
}

// signed are the bytes under the signature.
func (h *SignedHead) signed() []byte {
	return fmt.Appendf(nil, "unmogrowp audit head\n%d\n%s\n%s\n", h.Seq, h.Hash, h.Time.UTC().Format(time.RFC3339Nano))
}

// by says whether the key has signed the head.
func (h *SignedHead) by(key ed25519.PublicKey) bool {
	signature, err := base64.StdEncoding.DecodeString(h.Signature)
	return err == nil && len(key) == ed25519.PublicKeySize && ed25519.Verify(key, h.signed(), signature)
}

func (a *Pool) auditKey(ctx context.Context) (ed25519.PrivateKey, error) {
	seed, err := a.Secret(ctx, auditKeyName, func() ([]byte, error) {
		_, key, err := ed25519.GenerateKey(nil)
		if err != nil {
			return nil, fmt.Errorf("make audit key: %w", err)
		}
		return key.Seed(), nil
	})
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the audit key has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// auditPublicKey is empty if nothing was ever signed: verifying must not write.
func (a *Pool) auditPublicKey(ctx context.Context) (ed25519.PublicKey, error) {
	if _, err := a.sealed(ctx, auditKeyName); errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	key, err := a.auditKey(ctx)
	if err != nil {
		return nil, err
	}
	return key.Public().(ed25519.PublicKey), nil
}

// SignAuditHead signs the present end of the audit log. It returns false if that was signed before, or
// if there is nothing to sign.
func (a *Pool) SignAuditHead(ctx context.Context) (SignedHead, bool, error) {
	key, err := a.auditKey(ctx)
	if err != nil {
		return SignedHead{}, false, fmt.Errorf("sign audit head: %w", err)
	}
	var h SignedHead
	var hash []byte
	err = a.pool.QueryRow(ctx, `SELECT seq, hash, date_trunc('microseconds', clock_timestamp()) FROM audit_head
		WHERE seq > coalesce((SELECT max(seq) FROM audit_heads), 0)`).Scan(&h.Seq, &hash, &h.Time)
	if errors.Is(err, pgx.ErrNoRows) {
		return SignedHead{}, false, nil
	}
	if err != nil {
		return SignedHead{}, false, Wrap("sign audit head", err)
	}
	h.Time, h.Hash = h.Time.UTC(), hex.EncodeToString(hash)
	h.Key = base64.StdEncoding.EncodeToString(key.Public().(ed25519.PublicKey))
	signature := ed25519.Sign(key, h.signed())
	h.Signature = base64.StdEncoding.EncodeToString(signature)
	done, err := a.pool.Exec(ctx, `INSERT INTO audit_heads (seq, hash, time, key, signature) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		h.Seq, hash, h.Time, h.Key, signature)
	if err != nil {
		return SignedHead{}, false, Wrap("store signed audit head", err)
	}
	return h, done.RowsAffected() == 1, nil
}

// checkSigned compares a log whose chain is whole with the heads that were signed: those in the
// database, and those that somebody kept elsewhere.
func (v *Verification) checkSigned(ctx context.Context, tx pgx.Tx, key ed25519.PublicKey, kept []SignedHead) error {
	last, err := lastSigned(ctx, tx)
	if err != nil {
		return err
	}
	if v.Signed = last; last != nil {
		kept = append(kept, *last)
	}
	hashes, err := hashesAt(ctx, tx, kept)
	if err != nil {
		return err
	}
	restores, err := restoresOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, r := range restores {
		v.Gaps = append(v.Gaps, r.Gap)
	}
	for _, h := range kept {
		if h.by(key) && slices.ContainsFunc(restores, func(r restore) bool { return r.lost(&h) }) {
			continue
		}
		want, err := hex.DecodeString(h.Hash)
		got, there := hashes[h.Seq]
		switch {
		case err != nil || !h.by(key):
			v.bad(h.Seq, fmt.Sprintf("the signature over entry %d is not ours", h.Seq))
		case !there:
			v.bad(v.Entries+1, fmt.Sprintf("the end of the log is missing: entry %d was signed", h.Seq))
		case !bytes.Equal(got, want):
			v.bad(h.Seq, "the log was rewritten: the entry is not the one that was signed")
		}
		if !v.Valid {
			return nil
		}
	}
	return v.checkStored(ctx, tx)
}

// restore is an entry of the log that says that the database was restored.
type restore struct {
	Gap
	at time.Time
}

// lost reports whether a head was signed before the restore, of an entry that the backup did not have.
func (r *restore) lost(h *SignedHead) bool { return h.Seq > r.After && h.Time.Before(r.at) }

func restoresOf(ctx context.Context, tx pgx.Tx) ([]restore, error) {
	return Collect(ctx, tx, func(row pgx.CollectableRow) (r restore, err error) {
		var detail string
		if err := row.Scan(&r.at, &detail); err != nil {
			return r, err
		}
		return r, json.Unmarshal([]byte(detail), &r.Gap)
	}, `SELECT time, detail FROM audit_log WHERE action = $1 ORDER BY seq`, Restored)
}

// checkStored compares every head in the database, by hash: one signature is enough for the chain
// before it.
func (v *Verification) checkStored(ctx context.Context, tx pgx.Tx) error {
	var seq int64
	err := tx.QueryRow(ctx, `SELECT h.seq FROM audit_heads h LEFT JOIN audit_log l ON l.seq = h.seq
		WHERE l.hash IS DISTINCT FROM h.hash ORDER BY h.seq LIMIT 1`).Scan(&seq)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err == nil {
		v.bad(seq, "the log was rewritten: the entry is not the one that was signed")
	}
	return err
}

func lastSigned(ctx context.Context, tx pgx.Tx) (*SignedHead, error) {
	var h SignedHead
	var hash, signature []byte
	err := tx.QueryRow(ctx, `SELECT seq, hash, time, key, signature FROM audit_heads ORDER BY seq DESC LIMIT 1`).Scan(&h.Seq, &hash, &h.Time, &h.Key, &signature)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	h.Time, h.Hash, h.Signature = h.Time.UTC(), hex.EncodeToString(hash), base64.StdEncoding.EncodeToString(signature)
	return &h, err
}

func hashesAt(ctx context.Context, tx pgx.Tx, heads []SignedHead) (map[int64][]byte, error) {
	seqs := make([]int64, len(heads))
	for i := range heads {
		seqs[i] = heads[i].Seq
	}
	rows, err := tx.Query(ctx, `SELECT seq, hash FROM audit_log WHERE seq = ANY ($1)`, seqs)
	if err != nil {
		return nil, err
	}
	hashes := map[int64][]byte{}
	var seq int64
	var hash []byte
	_, err = pgx.ForEachRow(rows, []any{&seq, &hash}, func() error {
		hashes[seq] = bytes.Clone(hash)
		return nil
	})
	return hashes, err
}
