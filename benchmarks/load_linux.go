package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	maxConnections = 4096
	maxAnswer      = 16 << 10
	tickEvery      = 200 * time.Microsecond // how exactly paced requests keep their time
)

// load is a number of connections to one server, served by one thread: it writes a request,
// waits for the whole answer and writes the next, without pipelining. Two system calls a
// request and no memory allocated: the client's CPU time is lost to the server on the same machine.
type load struct {
	server      netip.AddrPort
	templates   []template
	connections int
	rate        float64 // requests a second, paced whatever the answers; 0 is as fast as they come
	warmup      time.Duration
	duration    time.Duration
	next        uint64 // number of the next event
}

// outcome is the result of a load while it was measured.
type outcome struct {
	requests, failed uint64
	failure          string // the first answer that was not 200
	latency          histogram
	late             time.Duration // how far behind the pace the end was
}

// connection is one connection and the request that is under way on it.
type connection struct {
	fd      int
	out     []byte // the request
	sent    int    // bytes of it
	in      []byte // the answer
	due     time.Duration
	waiting bool
}

// driver is a load while it runs.
type driver struct {
	*load
	epoll, timer int
	all          []connection
	idle         waiting
	began        time.Time
	issued       int
	outcome      outcome
}

// waiting are the connections without a request, in the order in which they became free: so all
// of them are used, also when a few would do. A server hangs up on one that never asks anything.
type waiting struct {
	ring        []int32
	next, count int
}

func (w *waiting) init(n int) {
	w.ring, w.count = make([]int32, n), n
	for i := range w.ring {
		w.ring[i] = int32(i)
	}
}

func (w *waiting) take() int32 {
	i := w.ring[w.next]
	w.next = (w.next + 1) % len(w.ring)
	w.count--
	return i
}

func (w *waiting) add(i int32) {
	w.ring[(w.next+w.count)%len(w.ring)] = i
	w.count++
}

// run runs until the time is over or ctx ends. Whoever measures the server is told when the
// warm-up is over.
func (l *load) run(ctx context.Context, warm func()) (*outcome, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	d := &driver{load: l, epoll: -1, timer: -1}
	defer d.close()
	if err := d.open(); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", l.server, err)
	}
	d.began = time.Now()
	d.idle.init(len(d.all))
	events := make([]unix.EpollEvent, 256)
	for told := false; ; {
		now := time.Since(d.began)
		if !told && now >= l.warmup {
			told = true
			warm()
		}
		if now >= l.warmup+l.duration || ctx.Err() != nil {
			d.outcome.late = max(now-d.dueAt(d.issued), 0)
			return &d.outcome, ctx.Err()
		}
		if err := d.dispatch(now); err != nil {
			return nil, err
		}
		n, err := unix.EpollWait(d.epoll, events, 100)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("wait for answers: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if err := d.handle(int(e.Fd)); err != nil {
				return nil, err
			}
		}
	}
}

// open makes the connections, and the timer of a paced load.
func (d *driver) open() (err error) {
	if d.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	d.all = make([]connection, d.connections)
	for i := range d.all {
		d.all[i].fd = -1
	}
	for i := range d.all {
		c := &d.all[i]
		c.in = make([]byte, 0, maxAnswer+1024)
		if c.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		if err := unix.Connect(c.fd, &unix.SockaddrInet4{Port: int(d.server.Port()), Addr: d.server.Addr().As4()}); err != nil {
			return err
		}
		if err := errors.Join(unix.SetNonblock(c.fd, true), unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)); err != nil {
			return err
		}
		e := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLET, Fd: int32(i)}
		if err := unix.EpollCtl(d.epoll, unix.EPOLL_CTL_ADD, c.fd, &e); err != nil {
			return err
		}
	}
	if d.rate == 0 {
		return nil
	}
	if d.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK); err != nil {
		return err
	}
	tick := unix.NsecToTimespec(tickEvery.Nanoseconds())
	if err := unix.TimerfdSettime(d.timer, 0, &unix.ItimerSpec{Interval: tick, Value: tick}, nil); err != nil {
		return err
	}
	return unix.EpollCtl(d.epoll, unix.EPOLL_CTL_ADD, d.timer, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: -1})
}

func (d *driver) close() {
	for _, c := range d.all {
		if c.fd >= 0 {
			_ = unix.Close(c.fd)
		}
	}
	for _, fd := range []int{d.epoll, d.timer} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// dueAt is when a request of a paced load is to be sent.
func (d *driver) dueAt(request int) time.Duration {
	if d.rate == 0 {
		return 1 << 62
	}
	return time.Duration(float64(request) / d.rate * float64(time.Second))
}

// dispatch starts the requests that can be started. A paced request that finds no free connection stays due,
// and its latency counts from when it was due: waiting for a slow server is part of it.
func (d *driver) dispatch(now time.Duration) error {
	for d.idle.count > 0 {
		due := now
		if d.rate != 0 {
			if due = d.dueAt(d.issued); due > now {
				return nil
			}
		}
		c := &d.all[d.idle.take()]
		t := &d.templates[d.issued%len(d.templates)]
		d.issued++
		c.out, c.sent, c.in, c.due, c.waiting = t.fill(c.out, &d.next), 0, c.in[:0], due, true
		if err := c.write(); err != nil {
			return err
		}
	}
	return nil
}

// write sends as much as the socket takes; an event tells when it takes more.
func (c *connection) write() error {
	for c.sent < len(c.out) {
		n, err := unix.Write(c.fd, c.out[c.sent:])
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("send request: %w", err)
		}
		c.sent += n
	}
	return nil
}

// handle goes on with a connection on which something has happened.
func (d *driver) handle(i int) error {
	if i < 0 {
		var expirations [8]byte
		_, _ = unix.Read(d.timer, expirations[:])
		return nil
	}
	c := &d.all[i]
	if !c.waiting {
		return nil
	}
	if c.sent < len(c.out) {
		if err := c.write(); err != nil || c.sent < len(c.out) {
			return err
		}
	}
	status, done, err := c.read()
	if err != nil || !done {
		return err
	}
	c.waiting = false
	d.idle.add(int32(i))
	now := time.Since(d.began)
	if now < d.warmup || now >= d.warmup+d.duration {
		return nil
	}
	if status != 200 {
		if d.outcome.failed++; d.outcome.failure == "" {
			d.outcome.failure = string(c.in)
		}
		return nil
	}
	d.outcome.requests++
	d.outcome.latency.add(now - c.due)
	return nil
}

// read takes the part of the answer that has come.
func (c *connection) read() (status int, done bool, err error) {
	for {
		n, err := unix.Read(c.fd, c.in[len(c.in):cap(c.in)])
		if errors.Is(err, unix.EAGAIN) {
			return 0, false, nil
		}
		if err != nil {
			return 0, false, fmt.Errorf("read answer: %w", err)
		}
		if n == 0 {
			return 0, false, fmt.Errorf("read answer: the server hung up, or answered too much, after %q", c.in)
		}
		c.in = c.in[:len(c.in)+n]
		status, length, err := readAnswer(c.in)
		if err != nil || length > 0 {
			return status, length > 0, err
		}
	}
}
