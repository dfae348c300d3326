package attack

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

func floodAttacks() []attack {
	return []attack{{id: 70, run: attack70Handshakes, full: true, note: "from 64 addresses of the loopback network that never go on"}}
}

const (
	floodRate    = 20_000 // packets a second
	floodSeconds = 3
	floodSources = 64
	floodTurns   = 100 // a second

	floodPackets = floodRate / floodSources / floodTurns * floodTurns * floodSeconds // of a source
)

// initial is a QUIC Initial packet of version 1 with connection ids of its own,
// whose payload nobody can read: RFC 9000, section 17.2.2.
func initial(packet []byte, n uint64) []byte {
	const size, pn = 1200, 4
	packet = append(packet[:0], 0xc3, 0, 0, 0, 1, 8)
	packet = binary.BigEndian.AppendUint64(packet, n*0x9e3779b97f4a7c15)
	packet = append(packet, 8)
	packet = binary.BigEndian.AppendUint64(packet, n)
	packet = append(packet, 0) // no token
	packet = binary.BigEndian.AppendUint16(packet, 0x4000|uint16(size-len(packet)-2))
	return packet[:size]
}

// attack70Handshakes begins 20,000 connections a second from addresses that do not
// answer. They are told to prove their address, which costs no memory, and
// agents go on.
func attack70Handshakes(s *suite) {
	_, cert := s.agent("during-the-flood")
	before := heap()
	var retries, sent atomic.Int64
	s.undisturbed(3, 100, func() {
		s.quiet().event(s.Agents[0], s.WriteKey, "/v1/track?sync=true", `{"event":"Honest","userId":"u"}`).want(200)
	}, func() error {
		var wg sync.WaitGroup
		for source := range floodSources {
			conn := s.source(source, s.Aggregators[source%2].Agents)
			s.count(floodPackets)
			wg.Go(func() { sent.Add(s.flood(conn, uint64(source)<<32)) })
			wg.Go(func() { retries.Add(countRetries(conn)) })
		}
		for range 5 { // agents that come now are let in
			s.connect(0, cert, 70).close()
		}
		wg.Wait()
		return nil
	})
	s.Logf("%d Initial packets, %d Retry packets", sent.Load(), retries.Load())
	if sent.Load() < floodRate*floodSeconds/4 || retries.Load() < sent.Load()/20 {
		s.Errorf("%d Initial packets were answered with %d Retry packets", sent.Load(), retries.Load())
	}
	s.Await("the memory is given back", func() error {
		if grown := heap() - before; grown > maxGrown {
			return fmt.Errorf("the heap grew by %d MiB", grown>>20)
		}
		return nil
	})
}

// source is a socket with an address of its own.
func (s *suite) source(n int, to string) *net.UDPConn {
	s.Helper()
	remote, err := net.ResolveUDPAddr("udp", to)
	if err != nil {
		s.Fatal(err)
	}
	conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 70, byte(n), 1)}, remote)
	if err != nil {
		s.Fatal(err)
	}
	return conn
}

// flood sends a source's share of the packets and returns how many went out.
func (s *suite) flood(conn *net.UDPConn, first uint64) (sent int64) {
	defer conn.Close() // ends countRetries
	packet := make([]byte, 1200)
	_, _ = rand.Read(packet) // never fails
	tick := time.NewTicker(time.Second / floodTurns)
	defer tick.Stop()
	for range floodTurns * floodSeconds {
		<-tick.C
		for range floodRate / floodSources / floodTurns {
			first++
			if _, err := conn.Write(initial(packet, first)); err == nil {
				sent++
			}
		}
	}
	return sent
}

// countRetries counts the Retry packets that come back until the socket is closed.
func countRetries(conn *net.UDPConn) (retries int64) {
	buffer := make([]byte, 2048)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return retries
		}
		if n > 0 && buffer[0]&0xf0 == 0xf0 { // long header, type 3
			retries++
		}
	}
}
