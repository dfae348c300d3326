package children_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children"
)

func TestLockFilePinsEveryPackageAndNoHost(t *testing.T) {
	content, err := os.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(content), "://") {
		t.Error("the lock file names a host")
	}
	var lock struct {
		Packages map[string]struct{ Version, Integrity string }
	}
	if err := json.Unmarshal(content, &lock); err != nil {
		t.Fatal(err)
	}
	if len(lock.Packages) < 3 {
		t.Errorf("only %d packages", len(lock.Packages))
	}
	for name, p := range lock.Packages {
		if name != "" && (p.Version == "" || !strings.HasPrefix(p.Integrity, "sha512-")) {
			t.Errorf("%s is not pinned", name)
		}
	}
}

func TestInstallAtOnceAgrees(t *testing.T) {
	var got [4]children.Software
	var errs [4]error
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() { got[i], errs[i] = children.Install(t.Context()) })
	}
	all.Wait()
	for i := range got {
		if errs[i] != nil || got[i] != got[0] {
			t.Errorf("%+v, %v, want %+v", got[i], errs[i], got[0])
		}
	}
}

func TestCacheDirComesFromTheEnvironmentFirst(t *testing.T) {
	inside, err := children.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := filepath.Abs("../../.cache"); os.Getenv("UNMOGROWP_CACHE") == "" && (err != nil || inside != want) {
		t.Errorf("cache %s, want %s", inside, want)
	}
	t.Setenv("UNMOGROWP_CACHE", "/somewhere else")
	if dir, err := children.CacheDir(); err != nil || dir != "/somewhere else" {
		t.Errorf("cache %s, %v", dir, err)
	}
}

func TestFreePortMovesWhenTaken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port
	port, err := children.FreePort(taken)
	if err != nil || port == taken || port == 0 {
		t.Errorf("port %d, %v, want another than %d", port, err, taken)
	}
	if again, err := children.FreePort(port); err != nil || again != port {
		t.Errorf("port %d, %v, want the free one %d", again, err, port)
	}
}
