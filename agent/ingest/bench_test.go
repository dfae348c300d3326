package ingest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// sink is a buffer that costs nothing.
type sink struct{}

func (sink) Append(context.Context, []byte, int) (uint64, error) { return 1, nil }
func (sink) WaitStored(context.Context, uint64) error            { return nil }

// sampleBatch is a batch as a server SDK sends it, with events of about 440 bytes.
func sampleBatch(events int) []byte {
	var b strings.Builder
	b.WriteString(`{"batch":[`)
	for i := range events {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"type":"track","event":"Order Completed","messageId":"node-next-1795331827674-52d2fd55-%08d","userId":"user-%d",`+
			`"anonymousId":"52d2fd55-5ce3-43dc-bea0-5f9d9f9c%04d","timestamp":"2026-11-22T11:59:58.%03dZ","properties":{"revenue":%d.5,"currency":"EUR","order_id":"o%d","quantity":2},`+
			`"context":{"campaign":{"name":"spring","source":"google","medium":"cpc"},"device":{"id":"D%d","type":"android"},"library":{"name":"analytics-kotlin","version":"1.19.0"}}}`,
			i, i%997, i, i%1000, i%90, i, i%501)
	}
	b.WriteString(`],"writeKey":"` + clientKey + `","sentAt":"2026-11-22T11:59:59.000Z"}`)
	return []byte(b.String())
}

// discard is a ResponseWriter that keeps only the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

func BenchmarkBatch(b *testing.B) {
	for _, events := range [...]int{1, 100, 500} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			h, err := New(Options{Buffer: sink{}, Directory: newBook(), Registerer: prometheus.NewRegistry(), Now: time.Now})
			if err != nil {
				b.Fatal(err)
			}
			body := sampleBatch(events)
			r := request("POST", "/v1/batch", http.NoBody)
			r.RemoteAddr = "198.51.100.7:4711"
			r.ContentLength = int64(len(body))
			r.SetBasicAuth(clientKey, "")
			reader := bytes.NewReader(body)
			w := &discard{header: http.Header{}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			cpu := cpuTime()
			for b.Loop() {
				reader.Reset(body)
				r.Body = io.NopCloser(reader)
				clear(w.header)
				h.ServeHTTP(w, r)
				if w.status != 200 {
					b.Fatal(w.status)
				}
			}
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/float64(b.N*events), "cpu-ns/event")
		})
	}
}

// cpuTime is the processor time of this process: that of others on the machine
// does not count.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
