package system

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
)

// TestSignInAtAProviderInABrowser walks a real browser from the console to a real provider and back: the
// owner configures the provider, and an invited person signs in there.
func TestSignInAtAProviderInABrowser(t *testing.T) {
	dir := consolePackages(t)
	if !exists(t, filepath.Join(dir, "dist", "index.html")) {
		t.Skip("the console is not built: run make console")
	}
	c := New(t, childtest.ClickHouse(t), childtest.Postgres(t), 1, 0)
	// The provider is at 127.0.0.1. To a browser, localhost is another site: only cookies that allow it
	// go along on the way back.
	console := strings.Replace(c.Aggregators[0].URL, "127.0.0.1", "localhost", 1)
	owner := c.LogIn(c.Aggregators[0], OwnerEmail, OwnerPassword)
	owner.Call("POST", "users", map[string]any{"email": "ann@example.com", "name": "Ann", "roles": []any{map[string]any{"role": "viewer", "apps": "*"}}}, nil)
	provider := childtest.LoginProvider(t)
	id, secret, err := provider.Register(t.Context(), console+"/api/v1/auth/oidc/callback")
	if err != nil {
		t.Fatal(err)
	}
	node(t, filepath.Join(dir, "test", "signin.mjs"), map[string]string{
		"CONSOLE_URL": console, "ADMIN_EMAIL": OwnerEmail, "ADMIN_PASSWORD": OwnerPassword,
		"ISSUER": provider.Issuer, "CLIENT_ID": id, "CLIENT_SECRET": secret, "PERSON": "ann", "SCREENSHOTS": os.Getenv("SCREENSHOTS"),
	})
	var identities struct {
		Data []struct{ Subject, Issuer string }
	}
	var people struct {
		Data []struct{ ID, Email string }
	}
	owner.Call("GET", "users", nil, &people)
	for _, person := range people.Data {
		if person.Email == "ann@example.com" {
			owner.Call("GET", "users/"+person.ID+"/identities", nil, &identities)
		}
	}
	if len(identities.Data) != 1 || identities.Data[0].Subject != "ann" || identities.Data[0].Issuer != provider.Issuer {
		t.Errorf("identities of the person: %+v", identities.Data)
	}
}
