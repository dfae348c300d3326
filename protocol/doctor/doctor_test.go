package doctor

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestEveryCheckIsMadeAndFaultsAreCounted(t *testing.T) {
	var out bytes.Buffer
	check := func(name, found string, err error) Check[int] {
		return Check[int]{name, func(_ context.Context, config int) (string, error) {
			if config != 7 {
				t.Errorf("%s was given %d", name, config)
			}
			return found, err
		}}
	}
	err := Run(t.Context(), &out, 7, check("disk", "12 MiB free", nil), check("far peers", "", errors.New("no such host")), check("files", "1024", nil))
	if err == nil || err.Error() != "1 of 3 checks failed" {
		t.Errorf("error %v", err)
	}
	const want = "ok    disk       12 MiB free\nFAIL  far peers  no such host\nok    files      1024\n"
	if out.String() != want {
		t.Errorf("wrote\n%swant\n%s", &out, want)
	}
	if err := Run(t.Context(), &out, 7, check("disk", "", nil)); err != nil {
		t.Error(err)
	}
}

func TestNamesAreResolved(t *testing.T) {
	if found, err := Names(t.Context(), []string{"127.0.0.1:1", "localhost:2"}); err != nil || !strings.HasPrefix(found, "2 configured") {
		t.Errorf("%q, %v", found, err)
	}
	for _, address := range []string{"localhost", "no-such-host.invalid:1"} {
		if _, err := Names(t.Context(), []string{address}); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(address, ":1")) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestLimitsOfTheMachine(t *testing.T) {
	if found, err := UDP(); err != nil || !strings.Contains(found, "KiB") {
		t.Errorf("%q, %v", found, err)
	}
	if _, err := Files(1); err != nil {
		t.Error(err)
	}
	if _, err := Files(math.MaxUint64); err == nil || !strings.Contains(err.Error(), "ulimit -n") {
		t.Errorf("%v", err)
	}
}
