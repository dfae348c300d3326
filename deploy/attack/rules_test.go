package attack

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
)

// The rules that hold for the whole run, beside those for each answer in judge.

// ran says whether enough was run to judge the whole.
func ran(results []Result) bool {
	left := 0
	for _, r := range results {
		if r.Requests == 0 {
			left++
		}
	}
	return left < len(results)/2
}

// resident is the memory of the process, with the whole system and the attacker in it,
// that no file is behind.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Skipf("what a process holds is only known on Linux: %v", err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "RssAnon:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the kernel does not tell what the process holds")
	return 0
}

// entries are the newest entries of the audit log after a sequence number.
func (s *suite) entries(since int64, action string) (list []postgres.Entry) {
	s.Helper()
	all, err := s.Accounts.Audit(s.Context(), postgres.AuditPage{Limit: 100_000, Action: action})
	if err != nil {
		s.Fatal(err)
	}
	for _, e := range all {
		if e.Seq > since {
			list = append(list, e)
		}
	}
	return list
}

// newest is the sequence number of the newest entry.
func (s *suite) newest() int64 {
	s.Helper()
	last, err := s.Accounts.Audit(s.Context(), postgres.AuditPage{Limit: 1})
	if err != nil {
		s.Fatal(err)
	}
	if len(last) == 0 {
		return 0
	}
	return last[0].Seq
}

// deniedSince waits until the audit log tells of a refusal after a sequence number.
func (s *suite) deniedSince(action string, since int64) {
	s.Helper()
	s.Await("the audit log tells of "+action, func() error {
		if !slices.ContainsFunc(s.entries(since, action), func(e postgres.Entry) bool { return e.Outcome == postgres.Denied }) {
			return fmt.Errorf("no refusal after entry %d", since)
		}
		return nil
	})
}

// everyRefusalIsAudited holds the refusals that the aggregators counted against the audit log:
// each refusal of the API has an entry, or is counted in the one that came next.
func (w *world) everyRefusalIsAudited(t *testing.T) {
	s := &suite{T: t, world: w}
	s.Await("every refusal is in the audit log", func() error {
		counted := 0
		for _, a := range s.Aggregators {
			// The next entry of a node tells of those before it.
			s.quiet().call(a.URL, "GET", "users", "refused", nil).want(401)
			counted += s.refusals(a.Admin)
		}
		recorded, folded := 0, 0
		for _, e := range s.entries(0, "access.denied") {
			var detail struct {
				Missing int `json:"not_recorded_before"`
			}
			if err := json.Unmarshal(e.Detail, &detail); err != nil {
				return err
			}
			recorded, folded = recorded+1, folded+detail.Missing
		}
		if recorded+folded != counted {
			return fmt.Errorf("%d refusals, of which %d are recorded and %d counted", counted, recorded, folded)
		}
		if sent := int(s.refused.Load()); counted < sent {
			return fmt.Errorf("%d refusals are counted, the suite saw %d", counted, sent)
		}
		t.Logf("%d refusals of the API: %d entries of the audit log, and %d that those tell of", counted, recorded, folded)
		return nil
	})
}

// refusals is how many requests a node has counted as refused.
func (s *suite) refusals(admin string) (sum int) {
	s.Helper()
	got := s.quiet().call(admin, "GET", "/metrics", "", nil).want(200)
	for line := range strings.Lines(string(got.body)) {
		if strings.HasPrefix(line, "unmogrowp_api_refusals_total{") {
			n, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64)
			if err != nil {
				s.Fatal(err)
			}
			sum += int(n)
		}
	}
	return sum
}

// p99 is the time within which 99 of 100 were.
func p99(times []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(times))
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)-1)*99/100]
}

// fastest wants that something takes no longer than limit: the fastest of ten
// times, or of more where the machine is busy with other things.
func (s *suite) fastest(limit time.Duration, what string, do func() time.Duration) {
	s.Helper()
	const usual, most = 10, 200
	fastest := time.Hour
	sent := int64(0)
	for n := 0; n < usual || n < most && fastest > limit; n++ {
		fastest = min(fastest, do())
		if n == usual-1 {
			sent = s.sent.Load()
		}
	}
	s.sent.Store(sent) // so that the report does not tell how busy the machine was
	if fastest > limit {
		s.Errorf("the fastest %s took %v, the limit is %v", what, fastest, limit)
	}
}

// noise is a p99 that a machine with other work may show in any case: one
// synced write and a turn of everybody who waits for a core.
const noise = 30 * time.Millisecond

// undisturbed measures honest requests before, during and after an attack, in
// one run, and wants the p99 during it to be less than factor times the other.
// The attack returns its own faults as an error. A machine with other work
// disturbs both, so it is tried again, twice.
func (s *suite) undisturbed(factor float64, samples int, honest func(), attack func() error) {
	s.Helper()
	sent := s.sent.Load()
	for try := 1; ; try++ {
		s.sent.Store(sent) // so that the report does not tell how busy the machine was
		before := timed(honest, samples, nil)
		done := make(chan struct{})
		var during []time.Duration
		measured := make(chan struct{})
		s.background(func() {
			defer close(measured)
			during = timed(honest, 0, done)
		})
		err := attack()
		close(done)
		<-measured
		after := timed(honest, samples, nil)
		base := max(p99(before), p99(after), noise)
		s.Logf("honest requests: p99 %v before, %v during, %v after the attack; %d during it", p99(before), p99(during), p99(after), len(during))
		slow := p99(during) >= time.Duration(factor*float64(base))
		switch {
		case err == nil && !slow:
			return
		case try < 3:
			s.Logf("tried again: %v", err)
			continue
		case err != nil:
			s.Error(err)
		}
		if slow {
			s.Errorf("honest requests took %v during the attack and %v without it (p99), which is over %.1f times", p99(during), base, factor)
		}
		return
	}
}

// timed repeats something, so many times or until done.
func timed(do func(), times int, done <-chan struct{}) (took []time.Duration) {
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for times == 0 || len(took) < times {
		select {
		case <-done:
			return took
		case <-tick.C:
		}
		began := time.Now()
		do()
		took = append(took, time.Since(began))
	}
	return took
}
