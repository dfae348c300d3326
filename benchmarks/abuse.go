package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// The cell agent/abuse: honest clients send no more than they may, and others do all the harm they can.
const (
	keyRate     = 5000  // events a second that a key may send here
	honestRate  = 2000  // single events a second
	greedyRate  = 50000 // ten times the quota, 100 events a request
	slowCount   = 2000  // connections that send a byte a second
	bombRate    = 2     // a second
	bombBytes   = 256 << 20
	abuseWarmup = 2 * time.Second
	abuseTime   = 12 * time.Second // more than twice as long as a slow client is waited for
	abuseRounds = 4                // without and with, in turn: disturbances of the machine itself meet both
)

func (s *suite) abuseTrial(ctx context.Context, dir string, t *trial) (err error) {
	ca, err := newAuthority(time.Now())
	if err != nil {
		return err
	}
	if err := prepareAgent(dir, ca); err != nil {
		return fmt.Errorf("prepare agent: %w", err)
	}
	server, err := launchAgent(ctx, s.program, dir, "127.0.0.1:9", fmt.Sprintf("UNMOGROWP_KEY_RATE=%d", keyRate))
	if err != nil {
		return err
	}
	defer func() { err = firstError(err, server.program.Stop()) }()
	honest := &load{server: server.address, templates: templates(1, pool, writeKey, time.Now()), connections: 64,
		rate: honestRate, warmup: abuseWarmup, duration: abuseTime}
	var quiet, under outcome
	var attack siege
	for range abuseRounds {
		o, err := honest.run(ctx, func() {})
		if err != nil {
			return err
		}
		quiet.add(o)
		honest.next += 1 << 40
		o, a, err := besiege(ctx, server, honest)
		if err != nil {
			return err
		}
		under.add(o)
		attack.add(&a)
		honest.next += 1 << 40
	}
	peak, err := server.peak()
	t.PeakMB = float64(peak>>10) / 1024
	t.LivePerSecond = honestRate
	t.compare(&quiet, &under)
	t.Note = fmt.Sprintf("honest: %d single events/s on a key of %d. Meanwhile %d connections sent a byte a second (%d were hung up on and came again), %d gzip bombs of %d MiB came (none was taken), and another key sent %s events/s, of which %.0f %% were refused with 429; %d times without and with, in turn",
		honestRate, keyRate, slowCount, attack.hungUp, attack.bombs, bombBytes>>20, group(greedyRate), 100*float64(attack.greedy.failed)/float64(max(attack.greedy.failed+attack.greedy.requests, 1)), abuseRounds)
	return err
}

// siege is what attackers have done.
type siege struct {
	greedy        outcome
	hungUp, bombs int
}

// add counts another siege.
func (a *siege) add(other *siege) {
	a.greedy.add(&other.greedy)
	a.hungUp += other.hungUp
	a.bombs += other.bombs
}

// besiege attacks while honest clients are measured.
func besiege(ctx context.Context, server *server, honest *load) (under *outcome, a siege, err error) {
	bombs, err := makeBombs()
	if err != nil {
		return nil, a, err
	}
	attacking, stop := context.WithCancel(ctx)
	defer stop()
	var attackers errgroup.Group
	greedy := &load{server: server.address, templates: templates(100, pool, greedyKey, time.Now()), connections: 64,
		rate: greedyRate / 100, duration: time.Hour, next: honest.next + 1<<39}
	attackers.Go(func() error {
		o, err := greedy.until(attacking)
		if o != nil {
			a.greedy.add(o)
		}
		return err
	})
	attackers.Go(func() (err error) { a.hungUp, err = crawl(attacking, server.address.String()); return err })
	attackers.Go(func() (err error) { a.bombs, err = bombard(attacking, server.address.String(), bombs); return err })
	under, err = honest.run(ctx, func() {})
	stop()
	return under, a, firstError(err, attackers.Wait())
}

// crawl keeps slow connections open that each send a byte of a head a second.
func crawl(ctx context.Context, address string) (hungUp int, err error) {
	const rounds = 200 // a second
	var d net.Dialer
	list := make([]net.Conn, slowCount)
	defer func() {
		for _, c := range list {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	tick := time.NewTicker(time.Second / rounds)
	defer tick.Stop()
	for round := 0; ; round++ {
		for i := round % rounds; i < len(list); i += rounds {
			if list[i] != nil {
				if _, err := list[i].Write([]byte("P")); err == nil {
					continue
				}
				hungUp++
				_ = list[i].Close()
			}
			if list[i], err = d.DialContext(ctx, "tcp", address); err != nil {
				list[i] = nil
				if ctx.Err() != nil {
					return hungUp, nil
				}
				return hungUp, fmt.Errorf("open a slow connection: %w", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return hungUp, nil
		}
	}
}

// makeBombs are two requests whose body is small and grows. One says at its end
// how long it gets, the other says that it stays small.
func makeBombs() (bombs [2][]byte, err error) {
	var body bytes.Buffer
	w, err := gzip.NewWriterLevel(&body, gzip.BestCompression)
	if err != nil {
		return bombs, err
	}
	for range bombBytes >> 20 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			return bombs, err
		}
	}
	if err := w.Close(); err != nil {
		return bombs, err
	}
	head := fmt.Sprintf("POST /v1/batch HTTP/1.1\r\nHost: bench\r\nAuthorization: Basic %s\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nConnection: close\r\nContent-Length: %d\r\n\r\n",
		base64.StdEncoding.EncodeToString([]byte(greedyKey+":")), body.Len())
	for i := range bombs {
		bombs[i] = append([]byte(head), body.Bytes()...)
	}
	lie := bombs[1][len(bombs[1])-4:]
	binary.LittleEndian.PutUint32(lie, 1000)
	return bombs, nil
}

// bombard sends bombs, and fails if one is taken.
func bombard(ctx context.Context, address string, bombs [2][]byte) (sent int, err error) {
	var d net.Dialer
	tick := time.NewTicker(time.Second / bombRate)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return sent, nil
		}
		conn, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			if ctx.Err() != nil {
				return sent, nil
			}
			return sent, fmt.Errorf("send a bomb: %w", err)
		}
		answer := make([]byte, 64)
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second)) // a socket that is gone fails the next line
		_, _ = conn.Write(bombs[sent%2])                       // refused before its end, perhaps
		n, _ := conn.Read(answer)
		_ = conn.Close()
		sent++
		if bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 2")) {
			return sent, fmt.Errorf("a gzip bomb was taken: %q", answer[:n])
		}
	}
}
