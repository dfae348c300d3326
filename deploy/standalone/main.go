// Command standalone runs the whole system on one machine, for development,
// for trying it out, and for small installations: ClickHouse and Postgres as
// child processes, one aggregator and one agent, all kept alive by one
// supervisor in the background.
package main

import "github.com/unmogrowp/unmogrowp/protocol/daemon"

func main() { daemon.Main("standalone", commands) }
