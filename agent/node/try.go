package node

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// tryTimeout bounds the whole way of the event that try sends.
const tryTimeout = 30 * time.Second

// tryCommand sends one event to an agent, this one or another, and waits until it is stored: the
// whole way from an SDK to ClickHouse, from a machine that may have nothing but this program.
func tryCommand() *cobra.Command {
	config := &struct {
		WriteKey daemon.Secret `config:"write_key" help:"key of the app that the event is for"`
	}{}
	var url string
	cmd := daemon.Command("try", "send one event and wait until it is stored", config, func(ctx context.Context, std daemon.Streams, _ []string) error {
		if config.WriteKey == "" {
			return daemon.Usagef("no key: set UNMOGROWP_WRITE_KEY, or --write-key-file to a file that holds it")
		}
		took, err := tryEvent(ctx, url, string(config.WriteKey))
		if err == nil {
			_, err = fmt.Fprintf(std.Out, "The event is stored, %s after it was sent.\n", took.Round(time.Millisecond))
		}
		return err
	})
	cmd.Flags().StringVar(&url, "url", "http://127.0.0.1:8080", "where SDKs reach the agent")
	return cmd
}

func tryEvent(ctx context.Context, url, key string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	id := "try-" + rand.Text()
	body := fmt.Sprintf(`{"type":"track","event":"Installation Tried","anonymousId":%q,"messageId":%q}`, id, id)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(url, "/")+"/v1/track?sync=true", strings.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("send an event: %w", err)
	}
	req.SetBasicAuth(key, "")
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send an event: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return 0, fmt.Errorf("send an event: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("the event was not stored: %s: %s", resp.Status, answer)
	}
	return time.Since(began), nil
}
