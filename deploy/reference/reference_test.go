package main

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

// TestPagesAreWhatTheCodeSays is how a new setting or metric gets into the docs.
func TestPagesAreWhatTheCodeSays(t *testing.T) {
	root := os.DirFS("../..")
	pages, err := Pages(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile("../../" + name)
		if err != nil || string(got) != want {
			t.Errorf("%s is not what the code says; run: make reference (%v)", name, err)
		}
	}
	metrics, err := Metrics(root)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]string)
	for _, m := range metrics {
		if other, twice := seen[m.Name]; twice {
			t.Errorf("%s is defined in %s and in %s", m.Name, other, m.Package)
		}
		seen[m.Name] = m.Package
		if m.Type == "counter" != strings.HasSuffix(m.Name, "_total") {
			t.Errorf("%s is a %s: counters, and they alone, end in _total", m.Name, m.Type)
		}
	}
}

func TestMetricsAreFoundHoweverTheyAreMade(t *testing.T) {
	const source = `package buffer
func f(r R) {
	x := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "unmogrowp_a_total", Help: "A."}, []string{"status", "route"})
	counter("unmogrowp_b_total", "B.")
	prometheus.NewDesc("unmogrowp_c", "C.", []string{"disk"}, nil)
	log("unmogrowp_d is no metric", "unmogrowp_d")
	prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "unmogrowp_e_seconds", Help: "E.", Buckets: []float64{1, 2}})
}`
	got, err := Metrics(fstest.MapFS{"agent/buffer/stats.go": {Data: []byte(source)}, "aggregator/x.go": {Data: []byte("package x")}, "protocol/x.go": {Data: []byte("package x")}})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range got {
		lines = append(lines, strings.Join([]string{m.Name, m.Type, m.Help, strings.Join(m.Labels, "+"), m.Package}, " "))
	}
	const want = `unmogrowp_a_total counter A. status+route agent/buffer
unmogrowp_b_total counter B.  agent/buffer
unmogrowp_c gauge C. disk agent/buffer
unmogrowp_e_seconds histogram E.  agent/buffer`
	if text := strings.Join(lines, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if _, err := Metrics(fstest.MapFS{"agent/x.go": {Data: []byte(`package x
var _ = prometheus.CounterOpts{Name: "unmogrowp_x_total"}`)}, "aggregator/x.go": {Data: []byte("package x")}, "protocol/x.go": {Data: []byte("package x")}}); err == nil {
		t.Error("a metric without a help text")
	}
}
