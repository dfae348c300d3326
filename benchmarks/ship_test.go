package main

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/agent/buffer"
	"github.com/unmogrowp/unmogrowp/agent/links"
	"github.com/unmogrowp/unmogrowp/agent/uplink"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// A real uplink hands everything over to the sink, and forgets it.
func TestSinkTakesWhatAnAgentShips(t *testing.T) {
	dir := t.TempDir()
	ca, err := newAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := prepareAgent(dir, ca); err != nil {
		t.Fatal(err)
	}
	q, err := buffer.Open(buffer.Options{Dir: filepath.Join(dir, "buffer"), BallastBytes: -1, MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	const blocks = 200 // more than a window, more than the streams that may be open at once
	for range blocks {
		event := protocol.AppendEvent(nil, &protocol.Event{App: "bench", ID: "1", Kind: protocol.KindTrack, Payload: []byte("{}")})
		if _, err := q.Append(t.Context(), event, 1); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	u, err := agentUplink(dir, q, conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	var k sink
	var wg sync.WaitGroup
	wg.Go(func() { _ = k.serve(ctx, conn, ca) })
	wg.Go(func() { _ = u.Run(ctx) })
	for seq := range uint64(blocks) { // any order is an agent's right
		if err := q.WaitStored(ctx, seq+1); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	wg.Wait()
	if k.events.Load() < blocks || k.blocks.Load() < blocks || k.bytes.Load() == 0 || k.last.Load() <= k.first.Load() {
		t.Errorf("%d events in %d blocks", k.events.Load(), k.blocks.Load())
	}
}

func agentUplink(dir string, q *buffer.Queue, aggregator string) (*uplink.Uplink, error) {
	id, err := uplink.LoadIdentity(filepath.Join(dir, "identity"))
	if err != nil {
		return nil, err
	}
	table, err := links.Open(filepath.Join(dir, "settings"))
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return uplink.New(uplink.Options{Queue: q, Standing: q, Settings: table, Identity: id,
		Dial: uplink.NewDialer(conn).Dial, Aggregators: []string{aggregator}})
}

func TestShipmentIsPrinted(t *testing.T) {
	r := &results{Ship: &shipment{StartMs: 25, BacklogMB: 1000, EventsPerSecond: 1_234_567}}
	var out strings.Builder
	if err := r.table(&out); err != nil {
		t.Fatal(err)
	}
	r.markdown(&out)
	for _, want := range []string{"1 234 567", "backlog MB", "OpenTelemetry"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}
