package apps

import (
	"context"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// maxLinkHosts bounds the link hosts of an app, and the apps of each kind that open its links.
const maxLinkHosts = 20

// Hosted is what agents serve under an app's own link hosts.
type Hosted struct {
	LinkHosts   []string              `json:"link_hosts,omitempty"`    // such as go.shop.example; their DNS leads to the agents
	AppleAppIDs []string              `json:"apple_app_ids,omitempty"` // such as ABCDE12345.com.example.shop
	AndroidApps []protocol.AndroidApp `json:"android_apps,omitempty"`
}

var (
	hostName    = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)
	appleAppID  = regexp.MustCompile(`^[A-Z0-9]{10}\.[A-Za-z0-9.-]{1,155}$`)
	androidName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*)+$`)
	fingerprint = regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`)
)

// validate also writes host names and fingerprints in their one form, and lists as lists.
func (h *Hosted) validate() error {
	hosts := make([]string, 0, len(h.LinkHosts))
	for _, host := range h.LinkHosts {
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if !hostName.MatchString(host) || len(host) > 253 {
			return postgres.Invalid("link_hosts: %.80q is no host name such as go.shop.example", host)
		}
		hosts = append(hosts, host)
	}
	h.LinkHosts = hosts
	if max(len(h.LinkHosts), len(h.AppleAppIDs), len(h.AndroidApps)) > maxLinkHosts {
		return postgres.Invalid("link_hosts, apple_app_ids and android_apps have at most %d entries each", maxLinkHosts)
	}
	for _, id := range h.AppleAppIDs {
		if !appleAppID.MatchString(id) {
			return postgres.Invalid("apple_app_ids: %.80q is not like ABCDE12345.com.example.shop", id)
		}
	}
	if h.AppleAppIDs == nil {
		h.AppleAppIDs = []string{}
	}
	all := make([]protocol.AndroidApp, 0, len(h.AndroidApps))
	for _, app := range h.AndroidApps {
		if !androidName.MatchString(app.Package) || len(app.Package) > 200 {
			return postgres.Invalid("android_apps: %.80q is no package name such as com.example.shop", app.Package)
		}
		if len(app.Fingerprints) == 0 || len(app.Fingerprints) > maxLinkHosts {
			return postgres.Invalid("android_apps: %s needs 1 to %d SHA-256 fingerprints of its signing certificates", app.Package, maxLinkHosts)
		}
		prints := make([]string, 0, len(app.Fingerprints))
		for _, f := range app.Fingerprints {
			if f = strings.ToUpper(f); !fingerprint.MatchString(f) {
				return postgres.Invalid("android_apps: %.100q is no SHA-256 fingerprint such as 14:6D:E9:…", f)
			}
			prints = append(prints, f)
		}
		all = append(all, protocol.AndroidApp{Package: app.Package, Fingerprints: prints})
	}
	h.AndroidApps = all
	return nil
}

// unclaimed refuses a link host that another app has.
func (h *Hosted) unclaimed(ctx context.Context, tx pgx.Tx, app string) error {
	if len(h.LinkHosts) == 0 {
		return nil
	}
	taken := false
	err := postgres.ForEveryApp(ctx, tx, func() error {
		return tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM apps WHERE id <> $1 AND deleted_at IS NULL AND link_hosts && $2)`, app, h.LinkHosts).Scan(&taken)
	})
	if err == nil && taken {
		return postgres.Invalid("link_hosts: one of them belongs to another app")
	}
	return err
}
