package oracle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// uuid is how an advertising id is written.
var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// readMarks says what of an event smells of fraud.
func readMarks(e *protocol.Event, s *attribution.Settings) (m attribution.Marks) {
	if e.Flags&protocol.FlagBot != 0 {
		m += attribution.MarkBot
	}
	for kind, id := range map[string]string{"gaid": e.GAID, "idfa": e.IDFA} {
		id = strings.TrimSpace(id)
		if (len(id) > 256 || key(kind, id) != "") && !uuid.MatchString(id) {
			m |= attribution.MarkMalformedID
		}
	}
	ip := net.ParseIP(e.IP)
	for _, r := range s.BlockedRanges {
		_, network, err := net.ParseCIDR(string(r))
		if one := net.ParseIP(string(r)); ip != nil && (one != nil && one.Equal(ip) || err == nil && network.Contains(ip)) {
			m |= attribution.MarkBlockedAddress
		}
	}
	return m
}

// seconds reads a stamp of the store, the server's before the device's.
func seconds(properties map[string]json.RawMessage, name string) int64 {
	for _, unit := range []string{"_server_seconds", "_seconds"} {
		if n, err := strconv.ParseInt(string(properties[name+unit]), 10, 64); err == nil && n > 0 && n < 4_102_444_800 {
			return n * 1000
		}
	}
	return 0
}

var androidAgent = regexp.MustCompile(`^[^(]*\([^)]*?; *Android ([^;)]*)([^)]*)\)`)

// looks returns the keys of what the device looks like on each day of a span.
func (w *world) looks(e *protocol.Event, from, to int64) (keys []string) {
	ip := net.ParseIP(e.IP)
	if len(w.secret) == 0 || ip == nil {
		return nil
	}
	place := ip.String()
	if ip.To4() == nil {
		place = ip.Mask(net.CIDRMask(64, 128)).String() + "/64"
	}
	var m struct {
		Context struct {
			OS     struct{ Name, Version string }
			Device struct{ Model string }
		}
	}
	if e.Kind < protocol.KindClick {
		_ = json.Unmarshal(e.Payload, &m) // what cannot be read says nothing
	}
	system, version, model := m.Context.OS.Name, m.Context.OS.Version, m.Context.Device.Model
	if system == "" {
		system, version, model = agent(e.UserAgent)
	} else if !strings.EqualFold(system, "android") {
		return nil
	}
	if system == "" {
		return nil
	}
	look := strings.ToLower(place + "\n" + system + "\n" + strings.TrimSpace(version) + "\n" + strings.TrimSpace(model))
	for day := from / 86_400_000; day <= to/86_400_000; day++ {
		salt := hmac.New(sha256.New, w.secret)
		fmt.Fprintf(salt, "unmogrowp fingerprint %d %s", day, e.App)
		sum := hmac.New(sha256.New, salt.Sum(nil))
		sum.Write([]byte(look))
		keys = append(keys, fmt.Sprintf("fp:%x", sum.Sum(nil)[:16]))
	}
	return keys
}

// agent reads a user agent.
func agent(text string) (system, version, model string) {
	if m := androidAgent.FindStringSubmatch(text); m != nil {
		for part := range strings.SplitSeq(m[2], ";") {
			part, _, _ = strings.Cut(strings.TrimSpace(part), " Build/")
			if part != "" && !regexp.MustCompile(`^(wv|..|..-..|Build/.*|U)$`).MatchString(part) {
				return "android", strings.TrimSpace(m[1]), part
			}
		}
		return "android", strings.TrimSpace(m[1]), ""
	}
	_, rest, _ := strings.Cut(text, "(")
	comment, _, _ := strings.Cut(rest, ")")
	parts := strings.Split(comment, ";")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	switch {
	case strings.HasPrefix(parts[0], "Windows"):
		return "windows", parts[0], ""
	case parts[0] == "Macintosh" || parts[0] == "X11":
		return "desktop", strings.Join(parts, " "), ""
	}
	return "", "", ""
}

func isLook(key string) bool { return strings.HasPrefix(key, "fp:") }
