package postgres

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sealedVersion is the first byte of everything sealed: the layout is version, 8 bytes that name
// the master key, nonce, AES-256-GCM ciphertext. The secret's name is authenticated with it.
const sealedVersion = 1

const keyNameBytes = 8

// sealer seals secrets under one master key.
type sealer struct {
	aead cipher.AEAD
	name []byte // of the master key
}

func newSealer(master []byte) (*sealer, error) {
	if len(master) != 32 {
		return nil, fmt.Errorf("the master key has %d bytes, it must have 32", len(master))
	}
	derive := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, master, nil, "unmogrowp/"+purpose, 32)
	}
	sealing, err := derive("secrets")
	if err != nil {
		return nil, fmt.Errorf("derive sealing key: %w", err)
	}
	name, err := derive("name")
	if err != nil {
		return nil, fmt.Errorf("derive key name: %w", err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return &sealer{aead: aead, name: name[:keyNameBytes]}, nil
}

func (s *sealer) seal(name string, plain []byte) ([]byte, error) {
	nonce := make([]byte, s.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("make nonce: %w", err)
	}
	out := append([]byte{sealedVersion}, s.name...)
	out = append(out, nonce...)
	return s.aead.Seal(out, nonce, plain, []byte(name)), nil
}

func (s *sealer) open(name string, sealed []byte) ([]byte, error) {
	header := 1 + keyNameBytes + s.aead.NonceSize()
	if len(sealed) < header {
		return nil, errDamaged(name)
	}
	plain, err := s.aead.Open(nil, sealed[1+keyNameBytes:header], sealed[header:], []byte(name))
	if err != nil {
		return nil, errDamaged(name)
	}
	return plain, nil
}

func errDamaged(name string) error {
	return fmt.Errorf("secret %s is damaged: restore the database from a backup", name)
}

// Secret returns the secret of that name. The first caller of all nodes makes it with mint; every
// other one gets the same.
func (a *Pool) Secret(ctx context.Context, name string, mint func() ([]byte, error)) ([]byte, error) {
	sealed, err := a.sealed(ctx, name)
	if errors.Is(err, pgx.ErrNoRows) {
		if err = a.mint(ctx, name, mint); err == nil {
			sealed, err = a.sealed(ctx, name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("load secret %s: %w", name, err)
	}
	plain, err := a.keys.open(name, sealed)
	if err != nil {
		return nil, fmt.Errorf("load secret: %w", err)
	}
	return plain, nil
}

func (a *Pool) sealed(ctx context.Context, name string) (sealed []byte, err error) {
	err = a.pool.QueryRow(ctx, `SELECT sealed FROM secrets WHERE name = $1`, name).Scan(&sealed)
	return sealed, err
}

func (a *Pool) mint(ctx context.Context, name string, mint func() ([]byte, error)) error {
	plain, err := mint()
	if err != nil {
		return fmt.Errorf("mint: %w", err)
	}
	return a.Change(ctx, "store secret", func(tx pgx.Tx) error {
		sealed, err := a.keys.seal(ctx, tx, name, plain)
		if err != nil {
			return err
		}
		made, err := tx.Exec(ctx, `INSERT INTO secrets (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, sealed)
		if err != nil || made.RowsAffected() == 0 {
			return err
		}
		return Audit(ctx, tx, Happened{Action: "secret.create", Target: name})
	})
}
