package attribution

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

func journey(touches int) (Conversion, Inputs) {
	c := Conversion{ID: "c", App: "app", Time: 100 * Day, Received: 100 * Day, Revenue: 140_000_000, HasRevenue: true,
		Keys: []string{"anon:0f8fad5b-d9cb-469f-a165-70867728950e", "device:7c9e6679-7425-40de-944b-e07fc1f90ae7", "user:4711"}}
	var in Inputs
	for i := range touches {
		at := c.Time - int64(touches-i)*29*Day/int64(touches+1) - int64(i*7919)
		in.Touches = append(in.Touches, Touch{ID: fmt.Sprintf("018f-%04d", i), App: "app", Time: at, Received: at, Kind: Click,
			MediaSource: "google", Keys: []string{c.Keys[i%3]}})
	}
	return c, in
}

// cpu is how much processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkAttribute(b *testing.B) {
	for _, n := range []int{1, 4, 40, 1000} {
		b.Run(fmt.Sprintf("%d touches", n), func(b *testing.B) {
			c, in := journey(n)
			s := Default()
			var e Engine
			var r Result
			b.ReportAllocs()
			begun := cpu(b)
			for b.Loop() {
				e.Attribute(&r, &c, &in, &s)
			}
			used := cpu(b) - begun // of one core, however busy the machine is
			b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(b.N)/used.Seconds(), "conversions/cpu-s")
		})
	}
}

func BenchmarkSettle(b *testing.B) {
	var f Facts
	for p := range 1000 {
		c, in := journey(4)
		c.ID = fmt.Sprintf("c%d", p)
		c.Keys = []string{fmt.Sprintf("device:%d", p), fmt.Sprintf("user:%d", p)}
		for i := range in.Touches {
			in.Touches[i].ID += fmt.Sprint(p)
			in.Touches[i].Keys = c.Keys[i%2 : i%2+1]
		}
		f.Conversions = append(f.Conversions, c)
		f.Touches = append(f.Touches, in.Touches...)
		f.Links = append(f.Links, Link{App: "app", A: c.Keys[0], B: c.Keys[1]})
	}
	s := Default()
	b.ReportAllocs()
	for b.Loop() {
		Settle(&f, func(string, int64) *Settings { return &s })
	}
	b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "conversions/s")
}

// BenchmarkSettleSharedDevice is one device that ten thousand users log in on.
func BenchmarkSettleSharedDevice(b *testing.B) {
	var f Facts
	for p := range 10_000 {
		c, in := journey(1)
		c.ID = fmt.Sprintf("c%d", p)
		c.Keys = []string{"device:kiosk", fmt.Sprintf("user:%d", p)}
		in.Touches[0].ID, in.Touches[0].Keys = c.ID, c.Keys
		f.Conversions, f.Touches = append(f.Conversions, c), append(f.Touches, in.Touches...)
		f.Links = append(f.Links, Link{App: "app", A: c.Keys[0], B: c.Keys[1]})
	}
	f.Conversions = f.Conversions[:100]
	s := Default()
	for b.Loop() {
		Settle(&f, func(string, int64) *Settings { return &s })
	}
	b.ReportMetric(float64(b.N)*100/b.Elapsed().Seconds(), "conversions/s")
}
