package api

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddress is the address of whoever sent the request: the connection's, or behind trusted proxies
// the last address of X-Forwarded-For that is not one of theirs. Logins are throttled by it, so nobody
// else's word for it counts.
func clientAddress(r *http.Request, proxies []netip.Prefix) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	address := peer.Addr().Unmap().WithZone("")
	trusted := func() bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(address) })
	}
	forwarded := r.Header.Values("X-Forwarded-For")
	for i := len(forwarded) - 1; i >= 0; i-- {
		hops := strings.Split(forwarded[i], ",")
		for j := len(hops) - 1; j >= 0; j-- {
			if !trusted() {
				return address.String()
			}
			next, ok := hop(hops[j])
			if !ok { // a proxy of ours wrote an unreadable hop: it is the nearest that is known
				return address.String()
			}
			address = next
		}
	}
	return address.String()
}

// hop reads an address with or without a port.
func hop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}
