package postback

import (
	"hash/fnv"
	"strconv"
	"time"
)

// How long and how often a delivery is tried.
const (
	Patience  = 24 * time.Hour // from the first try; then it is a dead letter
	firstWait = 10 * time.Second
	maxWait   = time.Hour
)

// httpDate is the date of RFC 9110 §5.6.7.
const httpDate = "Mon, 02 Jan 2006 15:04:05 GMT"

// Verdict is the meaning of an answer for a delivery.
type Verdict int

// The verdicts.
const (
	Delivered Verdict = iota
	Again             // try again later
	Refused           // the receiver does not want it: trying again would change nothing
)

// Judge returns the verdict on an answer of the receiver. Redirects are refused: where they lead was
// checked by nobody.
func Judge(status int) Verdict {
	switch {
	case status >= 200 && status < 300:
		return Delivered
	case status == 408 || status == 429 || status == 425 || status >= 500:
		return Again
	}
	return Refused
}

// Wait is how long to wait after a failed try, the first being 1: ten seconds, doubled each time up to
// an hour, give or take a quarter that is the delivery's own, so that a receiver that comes back is not
// called by all at once. A Retry-After that is longer counts, up to maxWait.
func Wait(delivery string, try int, retryAfter time.Duration) time.Duration {
	wait := maxWait
	if try < 10 {
		wait = min(firstWait<<max(0, try-1), maxWait)
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(delivery + strconv.Itoa(try)))
	quarter := int64(wait / 4)
	wait += time.Duration(int64(sum.Sum32())%(2*quarter) - quarter)
	return max(wait, min(retryAfter, maxWait))
}

// RetryAfter reads the header: seconds, or a date.
func RetryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, int(Patience/time.Second))) * time.Second
	}
	if at, err := time.Parse(httpDate, header); err == nil && at.After(now) {
		return at.Sub(now)
	}
	return 0
}
