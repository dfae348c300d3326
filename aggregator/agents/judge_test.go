package agents

import (
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestJudge(t *testing.T) {
	at := func(next, chain uint64) protocol.Position { return protocol.Position{Next: next, Chain: chain} }
	known := at(100, 7)
	for _, c := range []struct {
		name    string
		known   protocol.Position
		history []protocol.Position
		want    standing
	}{
		{"nothing is known", at(0, 0), []protocol.Position{at(5, 1)}, follows},
		{"the same", known, []protocol.Position{at(100, 7)}, follows},
		{"went on from there", known, []protocol.Position{at(90, 5), at(100, 7), at(120, 9)}, follows},
		{"the same sequence, other blocks", known, []protocol.Position{at(100, 8)}, diverged},
		{"passed it elsewhere", known, []protocol.Position{at(90, 5), at(100, 8), at(120, 9)}, diverged},
		{"passed it without a stop", known, []protocol.Position{at(90, 5), at(120, 9)}, diverged},
		{"history begins later", known, []protocol.Position{at(110, 5), at(120, 9)}, follows},
		{"not as far", known, []protocol.Position{at(90, 5)}, behind},
	} {
		b := Buffer{At: c.history[len(c.history)-1], History: c.history}
		if got := judge(c.known, &b); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	if got := judge(known, &Buffer{At: at(120, 9)}); got != follows {
		t.Errorf("an earlier version, which tells no history: %d", got)
	}
}
