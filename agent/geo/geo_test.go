package geo

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// write makes a database at path in which the networks are in these countries.
func write(t *testing.T, path string, networks map[string]mmdbtype.DataType) {
	t.Helper()
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-Country", Description: map[string]string{"en": "for tests"}, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for text, value := range networks {
		_, network, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := tree.Insert(network, value); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func country(code string) mmdbtype.DataType {
	return mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String(code), "names": mmdbtype.Map{"en": mmdbtype.String("Somewhere")}}}
}

func open(t *testing.T, path string) *Locator {
	t.Helper()
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestCountry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	write(t, path, map[string]mmdbtype.DataType{
		"81.2.69.0/24": country("GB"), "2001:218::/32": country("JP"),
		"1.1.1.0/24": mmdbtype.Map{"country_code": mmdbtype.String("AU")},                               // as some publish it
		"8.8.8.0/24": mmdbtype.Map{"country": mmdbtype.String("US")},                                    // and others
		"9.9.9.0/24": mmdbtype.Map{"country": mmdbtype.Map{"iso_code": mmdbtype.String("Switzerland")}}, // no code
	})
	l := open(t, path)
	for address, want := range map[string]string{
		"81.2.69.142": "GB", "::ffff:81.2.69.142": "GB", "2001:218::1": "JP", "1.1.1.1": "AU", "8.8.8.8": "US", "9.9.9.9": "", "10.0.0.1": "", "::1": "",
	} {
		if got := l.Country(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s is in %q, want %q", address, got, want)
		}
	}
	if got := l.Country(netip.Addr{}); got != "" {
		t.Errorf("no address is in %q", got)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	good, text, cut := filepath.Join(dir, "good"), filepath.Join(dir, "text"), filepath.Join(dir, "cut")
	write(t, good, map[string]mmdbtype.DataType{"81.2.69.0/24": country("GB")})
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{text: []byte("not a database"), cut: content[200:], filepath.Join(dir, "empty"): nil} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want an error that names it", path, err)
		}
	}
	if _, err := Open(filepath.Join(dir, "none"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file that is not there opens")
	}
}

func TestANewerFileIsTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	address := netip.MustParseAddr("81.2.69.142")
	write(t, path, map[string]mmdbtype.DataType{"81.2.69.0/24": country("GB")})
	synctest.Test(t, func(t *testing.T) {
		l := open(t, path)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		var wg sync.WaitGroup
		wg.Go(func() { ended <- l.Run(ctx) })
		if err := os.WriteFile(path, []byte("a download that broke off"), 0o600); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * lookEvery)
		if got := l.Country(address); got != "GB" {
			t.Errorf("with a damaged file it is in %q, want what was known before", got)
		}
		write(t, path, map[string]mmdbtype.DataType{"81.2.69.0/24": country("IE")})
		time.Sleep(lookEvery)
		synctest.Wait()
		if got := l.Country(address); got != "IE" {
			t.Errorf("after the exchange it is in %q, want IE", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
