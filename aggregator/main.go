// Command aggregator is the core of an UnMoGrowP installation: it accepts the
// agents' events, stores and attributes them, and serves the console.
package main

import (
	"github.com/unmogrowp/unmogrowp/aggregator/node"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

func main() { daemon.Main("aggregator", node.Commands) }
