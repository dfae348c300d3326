package main

import (
	"math/bits"
	"time"
)

// histogram counts durations exactly up to a millisecond and to a part in 512 above.
type histogram struct {
	counts [512 * 24]uint32
	total  uint64
	max    time.Duration
}

func (h *histogram) add(d time.Duration) {
	h.max = max(h.max, d)
	h.total++
	h.counts[min(bucket(uint64(max(d, 0).Microseconds())), len(h.counts)-1)]++
}

// merge counts what another one has.
func (h *histogram) merge(other *histogram) {
	h.max = max(h.max, other.max)
	h.total += other.total
	for i, n := range other.counts {
		h.counts[i] += n
	}
}

// bucket is the number of the bucket of so many microseconds: each up to 1023 has its own, and
// above, the ten leading bits decide.
func bucket(us uint64) int {
	if us < 1024 {
		return int(us)
	}
	shift := bits.Len64(us) - 10
	return 512*shift + int(us>>shift)
}

// value is the greatest duration of a bucket.
func value(bucket int) time.Duration {
	if bucket < 1024 {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := bucket/512 - 1
	return time.Duration((bucket-512*shift+1)<<shift-1) * time.Microsecond
}

// quantile is the duration that a part of all stayed within.
func (h *histogram) quantile(part float64) time.Duration {
	rank := uint64(part * float64(h.total))
	seen := uint64(0)
	for i, n := range h.counts {
		seen += uint64(n)
		if n > 0 && seen > rank {
			return min(value(i), h.max)
		}
	}
	return h.max
}
