package event

import (
	"testing"

	"github.com/unmogrowp/unmogrowp/protocol"
)

func TestClasses(t *testing.T) {
	for agent, want := range map[string]protocol.Class{
		"": protocol.ClassUnknown, "Something/1.0": protocol.ClassUnknown,
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148":         protocol.ClassPhone,
		"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36":     protocol.ClassPhone,
		"Dalvik/2.1.0 (Linux; U; Android 14; SM-S921B)":                                                     protocol.ClassPhone,
		"Shop/12 CFNetwork/1490 Darwin/24.0":                                                                protocol.ClassPhone,
		"Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148":                  protocol.ClassTablet,
		"Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 Chrome/131.0 Safari/537.36":            protocol.ClassTablet,
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36":           protocol.ClassDesktop,
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15": protocol.ClassDesktop,
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 Chrome/131.0 Safari/537.36":            protocol.ClassDesktop,
		"Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) AppleWebKit/537.36 TV Safari/537.36":                      protocol.ClassTV,
		"Mozilla/5.0 (Linux; Android 9; AFTT) AppleWebKit/537.36 Mobile Safari/537.36":                      protocol.ClassTV,
		"curl/8.5.0": protocol.ClassProgram, "Go-http-client/2.0": protocol.ClassProgram, "python-requests/2.32": protocol.ClassProgram,
	} {
		if got := agentClass(agent); got != want {
			t.Errorf("%q is %d, want %d", agent, got, want)
		}
		if got := (protocol.FlagBot | protocol.FlagClamped).WithClass(want); got.Class() != want ||
			got&(protocol.FlagBot|protocol.FlagClamped|protocol.FlagTrusted) != protocol.FlagBot|protocol.FlagClamped {
			t.Errorf("class %d in flags is %b", want, got)
		}
	}
}
