package node

import (
	"log/slog"
	"strings"
	"testing"
)

func TestDiskGuardHoldsUntilThereIsRoom(t *testing.T) {
	used := 0.0
	g := diskGuard{fullest: func() (string, float64) { return "default", used }, limit: 0.85, log: slog.New(slog.DiscardHandler)}
	for _, step := range []struct {
		used float64
		held bool
	}{{0, false}, {0.84, false}, {0.85, true}, {0.845, true}, {0.83, false}, {0.845, false}, {0.99, true}} {
		used = step.used
		if why := g.held(); (why != "") != step.held || step.held && !strings.Contains(why, "disk default") {
			t.Errorf("at %v: %q, want held %t", step.used, why, step.held)
		}
	}
	g.limit = 1
	if why := g.held(); why != "" {
		t.Error("switched off:", why)
	}
}
