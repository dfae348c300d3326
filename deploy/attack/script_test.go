package attack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/unmogrowp/unmogrowp/console"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

func scriptAttacks() []attack {
	return []attack{{id: 38, run: attack38StoredScripts, full: true, note: "every page that a link leads to, in Chromium"}}
}

// scripts are texts that run where a page takes them for HTML, for an attribute,
// for a script or for an address. They are short, as names have to be.
func scripts() []string {
	return []string{
		`<script>pwned=1</script>`, `<img/src=x/onerror=pwned=2>`, `"><svg/onload=pwned=3>`, `'-pwned=4-'`, `javascript:pwned=5`, `{{pwned=6}}${pwned=6}{pwned=6}`, `</title><script>pwned=7</script>`,
		`<iframe/srcdoc='<script>top.pwned=8</script>'>`, `"/onmouseover="pwned=9"/autofocus/onfocus="pwned=9`, `<a/href=javascript:pwned=10>x</a>`, `<base/href=//evil.example/>`, `<link/rel=stylesheet/href=//evil.example/x.css>`, `<meta/http-equiv=refresh/content=0;url=//evil.example/>`,
		`<math><mtext><style><img/src=x/onerror=pwned=11>`, `<form/action=//evil.example/><input/type=submit>`, `<style>@import'//evil.example/y.css';</style>`,
	}
}

// attack38StoredScripts fills every field that comes from outside with scripts, and
// looks at every page of the console in a real browser.
func attack38StoredScripts(s *suite) {
	if _, err := fs.Stat(console.Files(), "index.html"); errors.Is(err, fs.ErrNotExist) {
		s.Fatal("the console is not embedded: make console first")
	}
	app := s.scripted()
	ctx, cancel := context.WithTimeout(s.Context(), 2*system.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "scripts.mjs"))
	cmd.Env = append(os.Environ(), "CONSOLE_URL="+s.Aggregators[1].URL, "APP_ID="+app, "EMAIL="+system.OwnerEmail, "PASSWORD="+system.OwnerPassword)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		s.Fatalf("%v\n%s", err, &out)
	}
	s.Logf("%s", strings.TrimSpace(out.String()))
}

// scripted makes an app with scripts in all its texts, and returns its id.
func (s *suite) scripted() string {
	s.Helper()
	all := scripts()
	app, _, server := s.app(all[0])
	at := "apps/" + app
	for i, script := range all {
		id := fmt.Sprintf("%s%d", strings.ReplaceAll(script, " ", "/"), i)[:min(100, len(script)+len(fmt.Sprint(i)))]
		touch := map[string]any{"id": id, "kind": "click", "media_source": script, "campaign": script, "adset": script, "ad": script, "keyword": script, "keys": map[string]string{"user_id": script}}
		s.as("").event(s.Agents[i%2], server, "/v1/s2s/touch?sync=true", touch).want(200, 400)
		order := map[string]any{"event": "Order Completed", "userId": script, "anonymousId": script, "messageId": id, "properties": map[string]any{"revenue": 10, "currency": "EUR", script: script, "products": []any{map[string]any{"name": script}}},
			"context": map[string]any{"userAgent": script, "page": map[string]any{"url": script, "referrer": script, "title": script}, "campaign": map[string]any{"source": script, "name": script, "term": script, "content": script}, "device": map[string]any{"id": script, "model": script}, "app": map[string]any{"name": script}, "locale": script}}
		s.as("").event(s.Agents[i%2], server, "/v1/track?sync=true", order).want(200, 400)
		order["event"], order["messageId"] = script, id[:min(90, len(id))]+"-e"
		s.as("").event(s.Agents[i%2], server, "/v1/track?sync=true", order).want(200, 400)
		s.console("POST", at+"/links", s.owner, map[string]any{"media_source": script, "campaign": script, "adset": script, "ad": script, "keyword": script, "fallback": "https://example.com/?" + strings.ReplaceAll(script, " ", "")}).want(201, 400)
		s.console("POST", at+"/keys", s.owner, map[string]any{"kind": "client", "label": script, "name": script}).want(201, 400)
		s.console("POST", at+"/keys", s.owner, map[string]any{"kind": "client", "label": script}).want(201, 400)
		s.console("POST", "agents/enrollment-tokens", s.owner, map[string]any{"name": script, "region": script}).want(201, 400)
		s.console("POST", "users", s.owner, map[string]any{"email": fmt.Sprintf("script%d@example.com", i), "name": script, "password": password, "roles": []any{}}).want(201, 400)
		s.console("POST", "roles", s.owner, map[string]any{"role": fmt.Sprintf("script-%d", i), "description": script, "permissions": []string{"apps.read"}}).want(201, 400)
		s.console("POST", "me/tokens", s.owner, map[string]any{"name": script, "apps": "*", "permissions": []string{"apps.read"}, "expires_in_days": 1}).want(201, 400)
		s.with("User-Agent", script).call(s.Aggregators[0].URL, "POST", "auth/login", "", map[string]string{"email": system.OwnerEmail, "password": system.OwnerPassword}).want(200, 429)
		s.try(fmt.Sprintf("127.38.%d.1", i), script+"@example.com", "a wrong password").want(400, 401)
		s.with("Authorization", "Bearer "+script).call(s.Aggregators[0].URL, "GET", "apps/"+strings.ReplaceAll(script, "/", "%2F")+"/links", "", nil)
	}
	s.console("PATCH", "me", s.owner, map[string]any{"name": all[2]}).want(200)
	s.Await("the conversions are credited", func() error {
		got := s.quiet().call(s.Aggregators[0].URL, "GET", at+"/conversions?limit=100", s.owner, nil).want(200)
		if n := bytes.Count(got.body, []byte(`"media_source"`)); n < len(all)/2 || !bytes.Contains(got.body, []byte("pwned=2")) {
			return fmt.Errorf("%d conversions", n)
		}
		return nil
	})
	return app
}
