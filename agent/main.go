// Command agent takes events from SDKs at the edge, keeps them on disk, and
// ships them to the aggregators.
package main

import (
	"github.com/unmogrowp/unmogrowp/agent/node"
	"github.com/unmogrowp/unmogrowp/protocol/daemon"
)

func main() { daemon.Main("agent", node.Commands) }
