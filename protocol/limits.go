package protocol

import "time"

// What either side may send at most. A frame over a limit is refused before
// anything is allocated for it.
const (
	MaxBlockEvents  = 16384     // events in one block
	MaxBlockRaw     = 4 << 20   // bytes of a block's msgpack, uncompressed
	MaxBlockPayload = 900 << 10 // bytes of a block's payload, compressed: below Badger's value threshold
	MaxEventBytes   = 40 << 10  // bytes of one encoded event: 32 KiB of JSON and its envelope

	MaxControlFrame  = 64 << 10 // bytes of a control message
	MaxSettingsFrame = 16 << 20 // bytes of a settings snapshot
	MaxRejects       = 1000     // rejected events named in one ack; the rest are counted

	MaxInFlight = 512 // blocks that one agent may have unanswered on a session

	MaxHistory = 64 // positions of a buffer in one message

	maxDepth = 8
)

// Times both sides agree on.
const (
	HeartbeatEvery = 5 * time.Second  // the agent sends its health, the aggregator its member table
	IdleTimeout    = 30 * time.Second // a session without any packet for so long is dead
	FrameTimeout   = 20 * time.Second // to read or write one frame once it has begun
)
