//go:build !linux

package main

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

const (
	maxConnections = 4096
	maxAnswer      = 16 << 10
)

type load struct {
	server           netip.AddrPort
	templates        []template
	connections      int
	rate             float64
	warmup, duration time.Duration
	next             uint64
}

type outcome struct {
	requests, failed uint64
	failure          string
	latency          histogram
	late             time.Duration
}

// run needs epoll, and the figures come from /proc.
func (l *load) run(context.Context, func()) (*outcome, error) {
	return nil, errors.New("the benchmarks run on Linux only")
}
