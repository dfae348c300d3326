// Package people is who may do what: people and service accounts with their roles, how they log in, their
// sessions, API tokens, second factors and identities at a provider.
//
// What always holds:
//
//   - Nothing that opens a door is stored: passwords as argon2id, tokens as SHA-256.
//   - Nobody grants, changes or takes away rights that they do not hold, and an owner who can log in stays.
//   - A change of a person is announced, so that every node reads them again.
package people

import (
	"errors"
	"sync"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// Errors that callers act upon.
var (
	ErrLastOwner    = errors.New("the last owner must stay")
	ErrNotHeld      = errors.New("nobody can grant, change or take away what they do not hold")
	ErrUnauthorized = errors.New("not logged in")
	ErrBusy         = errors.New("too many logins at once")
)

// People are the accounts of people and services, their roles and passwords.
type People struct {
	pool    *postgres.Pool
	hashing chan struct{} // a slot for each argon2id computation at a time
	waiting chan struct{} // a slot for each login that may wait for one
}

// New gives the people of a database.
func New(pool *postgres.Pool) *People {
	return &People{pool: pool, hashing: make(chan struct{}, hashers()), waiting: make(chan struct{}, maxWaiting)}
}

// Logins are how people prove who they are, with the sessions and API tokens that they get.
type Logins struct {
	pool   *postgres.Pool
	people *People

	refreshing sync.Mutex
	refreshKey []byte // nil until it is needed
}

// NewLogins gives the logins of people.
func NewLogins(pool *postgres.Pool, people *People) *Logins {
	return &Logins{pool: pool, people: people}
}
