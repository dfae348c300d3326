// Package attack attacks a live system in every way that its security
// requirements name, and reports what came of it.
//
// There are 84 groups of attacks. Each has a number, a function in the tests of
// this package that sends its requests over the network to a whole system in
// this process, and a documented answer that it must get. Over all of them one
// rule holds: no answer of 5xx except 503, no secret and no inner word of the
// program in any answer, an entry in the audit log for attacks that the requirements mark
// so, and honest requests are served before and after.
//
// Over the whole run: the process may grow by 64 MiB, and every refusal that the
// nodes count has its entry in the audit log or is counted in the next one.
//
// The short form, of groups that take about a second each, is part of every test run;
// UNMOGROWP_ATTACK=full runs all, and UNMOGROWP_ATTACK_REPORT names a file for
// the report.
package attack

import (
	"fmt"
	"io"
	"strings"
)

// Result is what came of a group.
type Result struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	Outcome  string `json:"outcome"` // one of the outcomes below
	Note     string `json:"note,omitempty"`
}

// The outcomes of a group.
const (
	Passed = "passed"
	Failed = "failed"
	NotRun = "not run" // in the short form
)

// Names are the groups, by number from 1; the one at 0 is empty.
func Names() []string {
	var names []string
	for _, part := range [][]string{{""}, tokenNames(), roleNames(), ingestNames(), linkNames(), restNames()} {
		names = append(names, part...)
	}
	return names
}

func tokenNames() []string {
	return []string{
		"unsigned token", "HS256 signed with the public key", "foreign signing keys", "forged key names", "key URLs in the header",
		"lifetime claims", "issuer, audience and type", "token of a megabyte of dots", "tampered tokens", "token of a disabled person",
		"retired and next signing key", "password guessing", "timing of unknown people", "password of a megabyte", "a hundred logins at once",
		"refresh token used twice", "twenty refreshes at once", "refresh after logout", "absolute lifetime", "session fixation",
		"bootstrap token", "password reset token",
	}
}

func roleNames() []string {
	return []string{
		"every route as every role", "ids of another tenant", "id in the body", "mass assignment", "granting more than one holds", "last owner",
		"role taken mid-session", "limits of lists", "query injection", "odd paths and method overrides", "key of another app",
		"tokens at the wrong door", "export of another app", "cross-site requests", "form CSRF", "stored scripts", "headers everywhere",
		"CORS reflection", "cookie flags", "framing", "formulas in CSV",
	}
}

func ingestNames() []string {
	return []string{
		"slow headers", "slow bodies", "decompression bombs", "request smuggling", "hostile JSON", "one bad event of ten thousand",
		"message id used twice", "message id of another tenant", "impossible times", "cardinality", "log injection", "flood on one key",
		"revoked key",
	}
}

func linkNames() []string {
	return []string{
		"foreign certificates", "identity outside of the certificate", "revoked agent", "enrolment token raced and replayed",
		"hostile certificate requests", "early data", "broken frames", "msgpack bombs", "zstd bomb", "replayed block",
		"other epoch and sequence", "forged acknowledgement", "streams without end", "handshake flood",
	}
}

func restNames() []string {
	return []string{
		"gossip without the key", "gossip garbage", "forged farewell", "internal calls without a certificate", "request forgery by postbacks",
		"open redirects", "tampered audit log", "audit log unwritable", "kill between change and audit", "operations from outside",
		"error pages", "planted secrets", "path traversal", "known vulnerabilities",
	}
}

// Report writes the results as Markdown, the same for the same results.
func Report(w io.Writer, results []Result) error {
	var b strings.Builder
	counts := map[string]int{}
	requests := int64(0)
	for _, r := range results {
		counts[r.Outcome]++
		requests += r.Requests
	}
	b.WriteString("# Attack report\n\nWritten by `make attack`: every group of attacks against a live system with two aggregators, two agents, ClickHouse and Postgres.\n" +
		"The code of group *n* is the function `attack`*n*`…` in `deploy/attack`.\n\n")
	fmt.Fprintf(&b, "%d groups: %d passed, %d failed, %d not run; %d requests.\n\n", len(results), counts[Passed], counts[Failed], counts[NotRun], requests)
	b.WriteString("| # | attack | requests | result | note |\n|---:|---|---:|---|---|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %d | %s | %d | %s | %s |\n", r.ID, r.Name, r.Requests, r.Outcome, r.Note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
