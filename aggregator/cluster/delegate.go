package cluster

import (
	"encoding/json"
	"errors"

	"github.com/hashicorp/memberlist"
)

// delegate is what memberlist calls back. Its methods must not call back into
// memberlist synchronously: Members takes a lock that NotifyJoin is called
// under.
type delegate Cluster

// NodeMeta describes this node to the others, within 512 bytes.
func (d *delegate) NodeMeta(limit int) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	meta, err := json.Marshal(d.self)
	if err != nil || len(meta) > limit {
		return nil // the others see a node without an address and leave it out
	}
	return meta
}

// NotifyMsg ignores user messages: nothing is said by gossip but membership.
func (d *delegate) NotifyMsg([]byte) {}

// GetBroadcasts has nothing to say.
func (d *delegate) GetBroadcasts(int, int) [][]byte { return nil }

// LocalState has nothing to add.
func (d *delegate) LocalState(bool) []byte { return nil }

// MergeRemoteState has nothing to merge.
func (d *delegate) MergeRemoteState([]byte, bool) {}

// NotifyAlive refuses whoever says to be there without a name or an address. That
// it is asked at all makes memberlist refuse those without a version, next to
// which no node could join any more.
func (d *delegate) NotifyAlive(n *memberlist.Node) error {
	if n.Name == "" || len(n.Addr) == 0 || n.Port == 0 {
		return errors.New("it has no name or no address")
	}
	return nil
}

// NotifyJoin takes a node into the table.
func (d *delegate) NotifyJoin(n *memberlist.Node) { (*Cluster)(d).put(n) }

// NotifyUpdate takes a node's new description.
func (d *delegate) NotifyUpdate(n *memberlist.Node) { (*Cluster)(d).put(n) }

// NotifyLeave takes a dead or departed node out.
func (d *delegate) NotifyLeave(n *memberlist.Node) { (*Cluster)(d).drop(n.Name) }
