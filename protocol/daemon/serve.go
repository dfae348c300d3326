package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve serves srv on l until ctx ends, then stops accepting, gives the requests under way the time
// of grace to finish, and closes the connections that are left. It closes l in any case. The
// timeouts and limits of srv are the caller's; a request's context outlives ctx until grace is
// over.
func Serve(ctx context.Context, srv *http.Server, l net.Listener, grace time.Duration) error {
	var wg sync.WaitGroup
	served := make(chan error, 1)
	wg.Go(func() { served <- srv.Serve(l) })
	defer wg.Wait()

	select {
	case err := <-served:
		return fmt.Errorf("serve http on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(stop); err != nil {
		closeErr := srv.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("stop http on %s: %w", l.Addr(), errors.Join(err, closeErr))
		}
	}
	return nil
}
