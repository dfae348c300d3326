package attack

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/unmogrowp/unmogrowp/deploy/children/childtest"
	"github.com/unmogrowp/unmogrowp/deploy/system"
)

// Somebody who tries passwords as fast as they can, from as many networks as they
// like, does not slow down what SDKs send: measured in one run, with an agent and
// an aggregator that are processes of their own on the same machine.
func TestLoginsUnderAttackDoNotSlowIngestion(t *testing.T) {
	if os.Getenv(fullEnv) != "full" {
		t.Skip("takes half a minute: set " + fullEnv + "=full")
	}
	p := system.StartProcesses(t, childtest.Postgres(t), 1, 1)
	w := &world{Cluster: p.Cluster, people: map[string]string{}}
	s := &suite{T: t, world: w}
	w.owner = s.login(system.OwnerEmail, system.OwnerPassword)
	var hashed, refused, network atomic.Int64
	s.undisturbed(2, 500, s.honestEvent(s.Agents[0]), func() error {
		stop := time.After(6 * time.Second)
		done := make(chan struct{})
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					n := network.Add(1)
					switch got := s.try(fmt.Sprintf("127.%d.%d.1", 100+n/250%100, n%250), fmt.Sprintf("guess%d@example.com", n), "a wrong password"); got.status {
					case http.StatusUnauthorized:
						hashed.Add(1)
					case http.StatusTooManyRequests:
						refused.Add(1)
					default:
						s.Errorf("%s: status %d", got.what, got.status)
					}
				}
			})
		}
		<-stop
		close(done)
		wg.Wait()
		return nil
	})
	s.finish()
	t.Logf("%d passwords were tried and %d refused untried", hashed.Load(), refused.Load())
	if hashed.Load() < 20 {
		t.Errorf("only %d passwords were tried", hashed.Load())
	}
}
