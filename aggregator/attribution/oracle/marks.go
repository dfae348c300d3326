package oracle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// uuid is how an advertising id is written.
var uuid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// readMarks returns the signs of fraud that an event carries.
func readMarks(e *protocol.Event, s *attribution.Settings) (m attribution.Marks) {
	if e.Flags&protocol.FlagBot != 0 {
		m += attribution.MarkBot
	}
	if e.Flags&protocol.FlagCrowd != 0 {
		m += attribution.MarkCrowd
	}
	for kind, id := range map[string]string{"gaid": e.GAID, "idfa": e.IDFA} {
		id = strings.TrimSpace(id)
		if (len(id) > 256 || key(kind, id) != "") && !uuid.MatchString(id) {
			m |= attribution.MarkMalformedID
		}
	}
	ip := address(e.IP)
	for _, r := range s.BlockedRanges {
		first, length, isRange := strings.Cut(string(r), "/")
		from := address(first)
		same := commonBits(ip, from)
		if n, err := strconv.Atoi(length); from != "" && (!isRange && same == 8*len(from) || isRange && err == nil && same >= n) {
			m |= attribution.MarkBlockedAddress
		}
	}
	return m
}

// address returns the 4 or 16 bytes of an address.
func address(text string) string {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return ""
	}
	return string(a.Unmap().AsSlice())
}

// commonBits counts how many bits two addresses begin with in common, -1 for
// addresses of two kinds or none.
func commonBits(a, b string) int {
	if len(a) != len(b) || a == "" {
		return -1
	}
	for i := range 8 * len(a) {
		if shift := 7 - i%8; a[i/8]>>shift != b[i/8]>>shift {
			return i
		}
	}
	return 8 * len(a)
}

// seconds reads a stamp of the store, the server's before the device's.
func seconds(properties map[string]json.RawMessage, name string) int64 {
	for _, unit := range []string{"_server_seconds", "_seconds"} {
		text := strings.TrimSpace(strings.Trim(string(properties[name+unit]), `"`))
		if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 && n < 4_102_444_800 {
			return n * 1000
		}
	}
	return 0
}

var androidAgent = regexp.MustCompile(`^[^(]*\([^)]*?; *Android ([^;)]*)([^)]*)\)`)

// looks returns the fingerprint keys of the device on each day of a span.
func (w *world) looks(e *protocol.Event, from, to int64) (keys []string) {
	ip := address(e.IP)
	if len(w.secret) == 0 || ip == "" {
		return nil
	}
	place := fmt.Sprintf("%d.%d.%d.%d", ip[0], ip[1], ip[2], ip[3])
	if len(ip) == 16 {
		network, _ := netip.AddrFromSlice([]byte(ip[:8] + "\x00\x00\x00\x00\x00\x00\x00\x00"))
		place = network.String() + "/64"
	}
	var m struct {
		Context struct {
			OS     struct{ Name, Version string }
			Device struct{ Model string }
		}
	}
	if e.Kind < protocol.KindClick {
		_ = json.Unmarshal(e.Payload, &m) // an unreadable payload says nothing
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
