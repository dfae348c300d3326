package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/valyala/fastjson"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// The baselines. Both are ordinary net/http servers, tuned as the agent is.
const (
	bare  = "bare"  // reads the body
	parse = "parse" // reads, validates and parses it
)

// targetCommand is the command that this program runs as a child of itself.
func targetCommand() *cobra.Command {
	var kind, listen string
	cmd := daemon.Command("target", "be a baseline server", nil, func(ctx context.Context, _ daemon.Streams, _ []string) error {
		listener, err := net.Listen("tcp", listen)
		if err != nil {
			return fmt.Errorf("listen: %w", err)
		}
		debug.SetGCPercent(400)
		handler := http.HandlerFunc(new(baseline).read)
		if kind == parse {
			handler = new(baseline).parse
		}
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		return daemon.Serve(ctx, server, listener, time.Second)
	})
	cmd.Hidden = true
	cmd.Flags().StringVar(&kind, "kind", bare, bare+" or "+parse)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address")
	return cmd
}

// baseline answers as an agent does and stores nothing.
type baseline struct {
	bodies  sync.Pool // of *[]byte
	parsers fastjson.ParserPool
}

func (b *baseline) body(r *http.Request) *[]byte {
	buf, _ := b.bodies.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	if need := int(min(r.ContentLength, 1<<20)); cap(*buf) < need {
		*buf = make([]byte, need)
	}
	*buf = (*buf)[:max(r.ContentLength, 0)]
	if _, err := io.ReadFull(r.Body, *buf); err != nil {
		*buf = (*buf)[:0]
	}
	return buf
}

func answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"success":true}`) // the client is gone if this fails
}

func (b *baseline) read(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 || r.ContentLength > 1<<20 {
		http.Error(w, "a body of at most 1 MiB is wanted", http.StatusRequestEntityTooLarge)
		return
	}
	b.bodies.Put(b.body(r))
	answer(w)
}

func (b *baseline) parse(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength < 0 || r.ContentLength > 1<<20 {
		http.Error(w, "a body of at most 1 MiB is wanted", http.StatusRequestEntityTooLarge)
		return
	}
	buf := b.body(r)
	defer b.bodies.Put(buf)
	p := b.parsers.Get()
	defer b.parsers.Put(p)
	if fastjson.ValidateBytes(*buf) != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	if _, err := p.ParseBytes(*buf); err != nil {
		http.Error(w, "not JSON", http.StatusBadRequest)
		return
	}
	answer(w)
}
