package warehouse

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/attribution"
)

// maxOwnHops is how many links away from the named id a key is looked for.
const maxOwnHops = 3

// OwnKeys returns a match key and those that identity links join with it and with
// no other user: a device that a whole family uses is nobody's own. A key that is no user's
// stands for the user who is the only one that links lead to.
func (w *Facts) OwnKeys(ctx context.Context, app, key string) ([]string, error) {
	named := key
	user, err := w.onlyUser(ctx, app, key)
	if err != nil {
		return nil, err
	}
	if user != "" {
		key = user
	}
	own, fresh := []string{key}, []string{key}
	for range maxOwnHops {
		near, err := w.neighbours(ctx, app, fresh)
		if err != nil {
			return nil, err
		}
		var found []string
		for _, k := range fresh {
			for _, n := range near[k] {
				if !strings.HasPrefix(n, attribution.KeyUser) && !strings.HasPrefix(n, attribution.KeyClick) && !slices.Contains(own, n) && !slices.Contains(found, n) {
					found = append(found, n)
				}
			}
		}
		if near, err = w.neighbours(ctx, app, found); err != nil {
			return nil, err
		}
		fresh = nil
		for _, k := range found {
			shared := slices.ContainsFunc(near[k], func(n string) bool { return strings.HasPrefix(n, attribution.KeyUser) && n != key })
			if !shared && len(own) < maxErasedKeys {
				own, fresh = append(own, k), append(fresh, k)
			}
		}
		if len(fresh) == 0 {
			break
		}
	}
	if !slices.Contains(own, named) {
		own = append(own[:min(len(own), maxErasedKeys-1)], named)
	}
	return own, nil
}

// onlyUser returns the one user that identity links lead to from a key that is no user's, nothing if
// there is none, or if the nearest are several.
func (w *Facts) onlyUser(ctx context.Context, app, key string) (string, error) {
	if strings.HasPrefix(key, attribution.KeyUser) {
		return key, nil
	}
	seen, fresh := []string{key}, []string{key}
	for hop := 0; hop < maxOwnHops && len(fresh) > 0; hop++ {
		near, err := w.neighbours(ctx, app, fresh)
		if err != nil {
			return "", err
		}
		var users, next []string
		for _, k := range fresh {
			for _, n := range near[k] {
				switch {
				case strings.HasPrefix(n, attribution.KeyUser):
					if !slices.Contains(users, n) {
						users = append(users, n)
					}
				case !strings.HasPrefix(n, attribution.KeyClick) && !slices.Contains(seen, n) && len(seen) < maxErasedKeys:
					seen, next = append(seen, n), append(next, n)
				}
			}
		}
		switch len(users) {
		case 0:
			fresh = next
		case 1:
			return users[0], nil
		default:
			return "", nil
		}
	}
	return "", nil
}

// neighbours are the keys that links join with each of keys.
func (w *Facts) neighbours(ctx context.Context, app string, keys []string) (map[string][]string, error) {
	links, err := w.Links(ctx, app, keys)
	if err != nil {
		return nil, fmt.Errorf("find the keys of a person: %w", err)
	}
	near := make(map[string][]string, len(keys))
	for _, l := range links {
		near[l.A], near[l.B] = append(near[l.A], l.B), append(near[l.B], l.A)
	}
	return near, nil
}
