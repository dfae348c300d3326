package buffer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/protocol"
)

// BenchmarkAppend measures durable appends by many writers while a reader
// acknowledges and the retention tail is deleted. UNMOGROWP_BENCH_SEGMENT is the
// size of a segment.
func BenchmarkAppend(b *testing.B) {
	for _, per := range []int{1, 100, 500} {
		for _, writers := range []int{1, 64, 256} {
			b.Run(fmt.Sprintf("events=%d/writers=%d", per, writers), func(b *testing.B) { benchAppend(b, writers, per) })
		}
	}
}

func benchAppend(b *testing.B, writers, per int) {
	o := testOptions(b)
	o.RetentionBytes = 16 << 20
	if n, err := strconv.ParseInt(os.Getenv("UNMOGROWP_BENCH_SEGMENT"), 10, 64); err == nil {
		o.segmentBytes = n
	}
	q := open(b, o)
	requests := make([][]byte, 64)
	for i := range requests {
		requests[i] = benchEvents(per)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		after := uint64(0)
		for {
			_, seq, err := q.Next(b.Context(), after)
			if err != nil {
				return
			}
			_ = q.Forget(seq)
			after = seq
		}
	})
	var next atomic.Int64
	cpu := cpuTime()
	b.SetBytes(int64(len(requests[0])))
	b.SetParallelism((writers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := q.Append(b.Context(), requests[next.Add(1)%64], per); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	total := float64(b.N * per)
	b.ReportMetric(total/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/total, "cpu-ns/event")
	_, blocks, _ := q.Position()
	b.ReportMetric(total/float64(blocks), "events/block")
	b.ReportMetric(float64(q.Stats().DiskUsed)/1e6, "MB-disk")
	_ = q.Close()
	reader.Wait()
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkPack(b *testing.B) {
	for name, above := range map[string]int64{"s2": 0, "zstd": 1 << 62} {
		b.Run(name, func(b *testing.B) {
			c, _ := protocol.NewCompressor()
			q := &Queue{codec: c, payloads: make(chan []byte, 1), pace: pace{above: above}, opts: Options{Now: time.Now}}
			raw := append(make([]byte, arrayHeader), benchEvents(2000)...)
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				blocks, err := q.pack(raw, 2000)
				if err != nil {
					b.Fatal(err)
				}
				q.payloads <- blocks[0].Payload
			}
		})
	}
}

func benchEvents(n int) (b []byte) {
	for range n { // ids that do not compress, as real ones
		b = append(b, event(fmt.Sprintf("%016x-%016x", rand.Uint64(), rand.Uint64()))...)
	}
	return b
}
