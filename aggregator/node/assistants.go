package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/unmogrowp/unmogrowp/aggregator/mcp"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

// assistantsPath is where assistants find the tools, on the console's address.
const assistantsPath = "/mcp"

// withAssistants serves assistants before the API and the console.
func withAssistants(api http.Handler) http.Handler {
	tools := mcp.Handler(api, daemon.BuildInfo().Version)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == assistantsPath {
			tools.ServeHTTP(w, r)
			return
		}
		api.ServeHTTP(w, r)
	})
}

// assistantConfig is the configuration of the command mcp.
type assistantConfig struct {
	Console  string        `config:"console" help:"address of the console, such as https://console.example.com"`
	APIToken daemon.Secret `config:"api_token" help:"API token of the person or the service account whose view the assistant gets"`
}

// Validate reports missing settings.
func (c *assistantConfig) Validate() error {
	var errs []error
	if c.Console == "" {
		errs = append(errs, errors.New("console: say where the console is"))
	}
	if c.APIToken == "" {
		errs = append(errs, errors.New("api_token: make one in the console, or with: aggregator token create"))
	}
	return errors.Join(errs...)
}

// assistantPatience is how long a question may take.
const assistantPatience = 70 * time.Second

func mcpCommand() *cobra.Command {
	config := assistantConfig{}
	cmd := daemon.Command("mcp", "serve the console's reports to an assistant on this machine, by the Model Context Protocol over stdin and stdout", &config,
		func(ctx context.Context, std daemon.Streams, _ []string) error {
			remote, err := mcp.NewRemote(config.Console, string(config.APIToken), &http.Client{Timeout: assistantPatience})
			if err != nil {
				return err
			}
			return mcp.NewServer(remote, daemon.BuildInfo().Version).Run(ctx, &sdk.StdioTransport{})
		})
	cmd.Long = "An assistant starts this command and asks through it. It sees what the API token may see and can change nothing. Assistants that speak streamable HTTP need no command: they use " + assistantsPath + " on the console's address with the token as a bearer token."
	return cmd
}
