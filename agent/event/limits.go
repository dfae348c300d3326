package event

import "time"

// Bounds of the fields of an event. The payload has them whole.
const (
	MaxID        = 256 // bytes of a user, device or click id, and of an event's name
	MaxMessageID = 100 // bytes, as in the Segment HTTP API
	MaxShort     = 256 // bytes of a campaign field
	MaxReferrer  = 1024
	MaxUserAgent = 512

	LatestTime     = 5 * time.Minute      // an event's time may be so far ahead of the agent's clock
	EarliestTime   = 90 * 24 * time.Hour  // and so far behind
	oldestOriginal = 360 * 24 * time.Hour // a claimed time further back or ahead is no part of the storage key
	newestOriginal = 24 * time.Hour

	saneFrom = 631152000000  // 1990-01-01 in milliseconds
	saneTo   = 4102444800000 // 2100-01-01

	historyFrom = 946684800000 // 2000-01-01: an older time is no history of an app
)
