package attack

import (
	"bytes"
	"compress/lzw"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	mathrand "math/rand/v2"
	"net"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/vmihailenco/msgpack/v5"
)

const gossipLabel = "unmogrowp"

func (s *suite) gossipKey() []byte {
	s.Helper()
	key, err := s.Accounts.Secret(s.Context(), "gossip", func() ([]byte, error) { return nil, errors.New("there is no gossip key") })
	if err != nil {
		s.Fatal(err)
	}
	return key
}

// intruder is a node of the gossip that the installation did not start.
type intruder struct {
	list *memberlist.Memberlist
	meta []byte
}

func (i *intruder) NodeMeta(int) []byte             { return i.meta }
func (i *intruder) NotifyMsg([]byte)                {}
func (i *intruder) GetBroadcasts(int, int) [][]byte { return nil }
func (i *intruder) LocalState(bool) []byte          { return nil }
func (i *intruder) MergeRemoteState([]byte, bool)   {}

func (s *suite) intruder(name, label string, key, meta []byte) *intruder {
	s.Helper()
	i := &intruder{meta: meta}
	config := memberlist.DefaultLocalConfig()
	config.Name, config.BindAddr, config.BindPort, config.AdvertisePort = name, "127.0.0.1", 0, 0
	config.Label, config.SecretKey, config.Delegate, config.Logger = label, key, i, log.New(io.Discard, "", 0)
	config.GossipVerifyIncoming, config.GossipVerifyOutgoing = false, key != nil
	config.TCPTimeout = time.Second
	var err error
	if i.list, err = memberlist.Create(config); err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := i.list.Shutdown(); err != nil {
			s.Error(err)
		}
	})
	return i
}

// members are the aggregators that the second one sees.
func (s *suite) members() []string {
	s.Helper()
	var cluster struct {
		Members []struct{ ID string }
	}
	s.quiet().call(s.Aggregators[1].URL, "GET", "cluster", s.owner, nil).want(200).decode(&cluster)
	var ids []string
	for _, m := range cluster.Members {
		ids = append(ids, m.ID)
	}
	return ids
}

func attack71GossipWithoutKey(s *suite) {
	before := s.members()
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		s.Fatal(err)
	}
	for i, c := range []struct {
		name, label string
		key         []byte
	}{
		{"keyless", gossipLabel, nil}, {"wrong-key", gossipLabel, random}, {"wrong-label", "other", s.gossipKey()}, {"no-label", "", s.gossipKey()}, {"zero-key", gossipLabel, make([]byte, 32)}, {"short-key", gossipLabel, s.gossipKey()[:16]}, {"master-key", gossipLabel, []byte(s.MasterKey)[:32]},
	} {
		for node, a := range s.Aggregators {
			s.count(1)
			intruder := s.intruder(fmt.Sprintf("%s-%d-%d", c.name, i, node), c.label, c.key, []byte(`{}`))
			if n, err := intruder.list.Join([]string{a.Gossip}); err == nil || n != 0 {
				s.Errorf("%s joined %d", c.name, n)
			}
		}
	}
	if after := s.members(); fmt.Sprint(after) != fmt.Sprint(before) {
		s.Errorf("the members were %v and are %v", before, after)
	}
}

// sealed is a gossip packet as a holder of the key makes it.
func (s *suite) sealed(plain []byte) []byte {
	s.Helper()
	block, err := aes.NewCipher(s.gossipKey())
	if err != nil {
		s.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		s.Fatal(err)
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		s.Fatal(err)
	}
	packet := append([]byte{244, byte(len(gossipLabel))}, gossipLabel...)
	packet = append(append(packet, 1), nonce...)
	return aead.Seal(packet, nonce, plain, []byte(gossipLabel))
}

func attack72GossipGarbage(s *suite) {
	random := mathrand.New(mathrand.NewPCG(72, 1))
	var bomb bytes.Buffer
	w := lzw.NewWriter(&bomb, lzw.LSB, 8)
	if _, err := w.Write(make([]byte, 32<<20)); err != nil {
		s.Fatal(err)
	}
	if err := w.Close(); err != nil {
		s.Fatal(err)
	}
	compressed, err := msgpack.Marshal(map[string]any{"Algo": 0, "Buf": bomb.Bytes()})
	if err != nil {
		s.Fatal(err)
	}
	nobody, err := msgpack.Marshal(map[string]any{"Node": "nobody", "Addr": []byte{127, 0, 0, 1}, "Port": 9, "Incarnation": 1})
	if err != nil {
		s.Fatal(err)
	}
	before := heap()
	for _, a := range s.Aggregators {
		udp, err := net.Dial("udp", a.Gossip)
		if err != nil {
			s.Fatal(err)
		}
		send := func(packet []byte) {
			s.count(1)
			if _, err := udp.Write(packet[:min(len(packet), 60_000)]); err != nil {
				s.Logf("packet: %v", err) // refused by the kernel
			}
		}
		for i := range 300 {
			garbage := make([]byte, random.IntN(1400)+1)
			for j := range garbage {
				garbage[j] = byte(random.Uint32())
			}
			send(garbage)
			send(s.sealed(append([]byte{byte(i % 16)}, garbage...))) // from a holder of the key
		}
		for _, kind := range []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 244, 255} {
			send(s.sealed([]byte{kind}))
			send(s.sealed(append([]byte{kind}, 0xdf, 255, 255, 255, 255)))
			send(s.sealed(append([]byte{kind}, bytes.Repeat([]byte{0x91}, 1200)...)))
			send(s.sealed(append([]byte{kind}, 0x81, 0xa3, 'B', 'u', 'f', 0xdb, 255, 255, 255, 255)))
		}
		send(s.sealed(append([]byte{9}, compressed...)))
		send(s.sealed([]byte{4, 0x80})) // somebody without a name and a version is there
		send(s.sealed(append([]byte{4}, nobody...)))
		if err := udp.Close(); err != nil {
			s.Fatal(err)
		}
		for _, packet := range [][]byte{s.sealed(append([]byte{9}, compressed...)), bytes.Repeat([]byte{0xff}, 100_000), {10, 255, 255, 255, 255}, append([]byte{244, byte(len(gossipLabel))}, gossipLabel+"\x0a\xff\xff\xff\xff"...), []byte("GET / HTTP/1.1\r\n\r\n")} {
			s.count(1)
			conn, err := net.DialTimeout("tcp", a.Gossip, 5*time.Second)
			if err != nil {
				s.Fatal(err)
			}
			if _, err := conn.Write(packet); err != nil {
				s.Logf("stream: %v", err) // closed before all was sent
			}
			if err := conn.Close(); err != nil {
				s.Fatal(err)
			}
		}
	}
	s.Await("the memory is given back", func() error {
		if grown := heap() - before; grown > maxGrown {
			return fmt.Errorf("the heap grew by %d MiB", grown>>20)
		}
		return nil
	})
	if n := len(s.members()); n != 2 {
		s.Errorf("%d members", n)
	}
	// A node that comes now is let in.
	late := s.intruder("late", gossipLabel, s.gossipKey(), nil)
	for _, a := range s.Aggregators {
		if _, err := late.list.Join([]string{a.Gossip}); err != nil {
			s.Errorf("join after garbage: %v", err)
		}
	}
	if err := late.list.Leave(time.Second); err != nil {
		s.Logf("leave: %v", err)
	}
}

// attack73ForgedFarewell lets a holder of the key lie about who is there:
// ownership is a hint, so nothing is lost and nobody credited wrongly.
func attack73ForgedFarewell(s *suite) {
	app, client, _ := s.app("Farewell")
	victims := s.members()
	evil := s.intruder("evil-aggregator", gossipLabel, s.gossipKey(), []byte(`{"ID":"evil-aggregator","Address":"127.0.0.1:9","Region":"test"}`))
	for _, a := range s.Aggregators {
		if _, err := evil.list.Join([]string{a.Gossip}); err != nil {
			s.Fatal(err)
		}
	}
	for i := range 40 {
		s.as("").event(s.Agents[i%2], client, "/v1/track", map[string]any{"event": "Seen", "userId": "u", "messageId": fmt.Sprintf("farewell-%d", i)}).want(200)
		if i%10 == 0 {
			for _, victim := range victims { // dead, and by its own word
				body, err := msgpack.Marshal(map[string]any{"Incarnation": 1000 + i, "Node": victim, "From": victim})
				if err != nil {
					s.Fatal(err)
				}
				for _, a := range s.Aggregators {
					to, err := net.ResolveUDPAddr("udp", a.Gossip)
					if err != nil {
						s.Fatal(err)
					}
					udp, err := net.DialUDP("udp", nil, to)
					if err != nil {
						s.Fatal(err)
					}
					s.count(1)
					if _, err := udp.Write(s.sealed(append([]byte{5}, body...))); err != nil {
						s.Fatal(err)
					}
					if err := udp.Close(); err != nil {
						s.Fatal(err)
					}
				}
			}
		}
	}
	s.stored(app, 40)
	if err := evil.list.Leave(time.Second); err != nil {
		s.Logf("leave: %v", err)
	}
	s.Await("the members are as before", func() error {
		if now := s.members(); len(now) != len(victims) {
			return fmt.Errorf("%v", now)
		}
		return nil
	})
}
