// Package protocol is what agents and aggregators must agree on: the event,
// the block, the control messages, their bytes and their limits.
package protocol
