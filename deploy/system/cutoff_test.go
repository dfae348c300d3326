package system

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// cable is an agent's way to its aggregators. While it is cut, packets sent
// either way are lost without a sign, as with a real one.
type cable struct {
	net.PacketConn
	cut atomic.Bool
}

func (c *cable) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(p)
		if err != nil || !c.cut.Load() {
			return n, from, err
		}
	}
}

func (c *cable) WriteTo(p []byte, to net.Addr) (int, error) {
	if c.cut.Load() {
		return len(p), nil
	}
	return c.PacketConn.WriteTo(p, to)
}

// tinyAgent starts an agent with the smallest quota on a cable.
func (c *Cluster) tinyAgent() (*Part, *cable) {
	c.T.Helper()
	const name = "agent-on-a-cable"
	line := &cable{PacketConn: listenPacket(c.T)}
	config := c.agentConfig(name, c.EnrollmentToken(name))
	config.Quota, config.Ballast = 16<<20, 0
	p := c.runAgent(name, config, line)
	c.T.Cleanup(func() { p.Stop(c.T) })
	return p, line
}

// An agent that reaches no aggregator takes messages until its quota is used up,
// then tells SDKs to come back later, and drains when the way is open again.
func TestAgentCutOffFillsAndDrains(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 0)
	p, line := c.tinyAgent()
	s := newSender(c)
	s.must(p, 1, 1)
	s.awaitStored()
	c.awaitQueue(p, 0) // its acknowledgement has arrived, too

	line.cut.Store(true)
	refused := 0
	for request := 0; refused < 5; request++ {
		if request == 200 {
			t.Fatalf("%d messages were accepted, and the quota of 16 MiB is not used up", len(s.acked))
		}
		status, header := s.send(p, 80, 4<<10)
		switch {
		case status == http.StatusTooManyRequests:
			refused++
			if seconds, err := strconv.Atoi(header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 300 {
				t.Errorf("Retry-After is %q, want whole seconds", header.Get("Retry-After"))
			}
		case status != http.StatusOK:
			t.Fatalf("the agent answered %d", status)
		}
	}
	c.awaitQueue(p, int64(len(s.acked))-1)

	line.cut.Store(false)
	c.awaitQueue(p, 0)
	c.Await("the agent accepts again", func() error {
		if status, _ := s.send(p, 10, 0); status != http.StatusOK {
			return fmt.Errorf("answered %d", status)
		}
		return nil
	})
	s.awaitStored()
}

// A request with ?sync=true is answered when ClickHouse has the message, not
// when the agent has.
func TestSyncAnswersAfterTheAck(t *testing.T) {
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 0)
	p, line := c.tinyAgent()
	line.cut.Store(true)
	waiting := jsonBytes(t, map[string]any{"event": "Seen", "userId": "u", "messageId": "waiting"})
	answered := make(chan string, 1)
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() {
		status, _, answer, err := c.tryPost(p, c.WriteKey, "/v1/track?sync=true", waiting, nil)
		answered <- fmt.Sprint(status, answer, err)
	})
	c.awaitQueue(p, 1)
	newSender(c).must(p, 1, 1)
	select {
	case answer := <-answered:
		t.Fatalf("answered before any aggregator had the message: %s", answer)
	default:
	}
	line.cut.Store(false)
	if answer := <-answered; answer != "200"+`{"success":true}`+"<nil>" {
		t.Fatalf("answered %s", answer)
	}
	events, err := c.storedEvents()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e protocol.Event) bool { return e.ID == "waiting" }) {
		t.Errorf("answered although the message is not stored, only %d others", len(events))
	}
}
