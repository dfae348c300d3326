package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/unmogrowp/unmogrowp/aggregator/apps"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
	"github.com/unmogrowp/unmogrowp/aggregator/postgres"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// problem is an answer that is not a success (RFC 9457). Its detail is for people and never holds
// what we know inside: no SQL, no paths, no stacks.
type problem struct {
	Type      string `json:"type"`
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	RequestID string `json:"request_id"`
	Code      string `json:"code,omitempty"`

	retryAfter int // seconds, 0 for none
}

// Error makes a problem an error that handlers return.
func (p *problem) Error() string { return p.Detail }

func refusal(status int, code, detail string) *problem {
	return &problem{Status: status, Code: code, Detail: detail}
}

func badRequest(detail string) *problem {
	return refusal(http.StatusBadRequest, "invalid", detail)
}

// The refusals that do not depend on the request.

func errNoRoute() *problem {
	return refusal(http.StatusNotFound, "not_found", "There is nothing here that you may see.")
}

func errCrossOrigin() *problem {
	return refusal(http.StatusForbidden, "cross_origin", "The request comes from another site.")
}

func errNoToken() *problem {
	return refusal(http.StatusUnauthorized, "unauthenticated", "Log in, and send the access token as a Bearer token.")
}

func errNotAllowed() *problem {
	return refusal(http.StatusForbidden, "forbidden", "Your roles do not allow this.")
}

func errInPart() *problem {
	return refusal(http.StatusForbidden, "forbidden", "Your roles show you this app only in part, and this is about all of it.")
}

func errNarrowing() *problem {
	return refusal(http.StatusForbidden, "forbidden",
		"Your roles for this app are narrowed in ways that cannot be put into one report: ask an owner to narrow them alike.")
}

func errNeedsSession() *problem {
	return refusal(http.StatusForbidden, "session_required", "This is for people who have logged in: an API token cannot do it.")
}

func errMediaType() *problem {
	return refusal(http.StatusUnsupportedMediaType, "media_type", "Send the body as application/json.")
}

func errTooLarge() *problem {
	return refusal(http.StatusRequestEntityTooLarge, "too_large", "The body is larger than 1 MiB.")
}

// problemOf turns the error of a handler into an answer. Whatever is not known to be meant for the
// person who asked becomes an internal error.
func problemOf(err error) *problem {
	var known *problem
	var bad *postgres.InvalidError
	var question *report.InvalidError
	var network net.Error
	var limit *report.LimitError
	var wait *people.WaitError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &bad):
		return badRequest(bad.Reason)
	case errors.As(err, &question):
		return badRequest(err.Error())
	case errors.Is(err, postgres.ErrNotFound):
		return errNoRoute()
	case errors.Is(err, people.ErrLastOwner):
		return refusal(http.StatusConflict, "last_owner", "This is the last owner: make somebody else an owner first.")
	case errors.Is(err, people.ErrRoleInUse):
		return refusal(http.StatusConflict, "role_in_use", "Somebody has this role: take it away from everybody first.")
	case errors.Is(err, postgres.ErrExists):
		return refusal(http.StatusConflict, "conflict", "It exists already, or was changed by somebody else in the meantime: load it again.")
	case errors.Is(err, apps.ErrSource):
		return refusal(http.StatusForbidden, "forbidden", "Your roles show you other media sources of this app only.")
	case errors.Is(err, people.ErrNotHeld):
		return refusal(http.StatusForbidden, "not_held", "Nobody can grant, change or take away what they do not hold themselves.")
	case errors.Is(err, people.ErrUnauthorized):
		return errNoToken()
	case errors.Is(err, people.ErrCodeRequired):
		return refusal(http.StatusUnauthorized, "totp_required", "This account has a second factor: send the code of the authenticator app, or a recovery code, as totp.")
	case errors.Is(err, people.ErrCodeWrong):
		return refusal(http.StatusUnauthorized, "totp_wrong", "The code is wrong, or was used already: wait for the next one.")
	case errors.Is(err, people.ErrProviderOnly):
		return refusal(http.StatusForbidden, "provider_only", "You log in at your organisation's provider: passwords are off for you.")
	case errors.Is(err, people.ErrLink):
		return refusal(http.StatusUnauthorized, "link_invalid", "The link was used, has expired or was replaced by a newer one: ask for another.")
	case errors.As(err, &wait):
		return throttled(wait.Wait)
	case errors.Is(err, people.ErrBusy):
		return &problem{Status: http.StatusTooManyRequests, Code: "busy", Detail: "Too many people log in at this moment: try again.", retryAfter: 1}
	case errors.Is(err, postgres.ErrUnavailable):
		return &problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "The accounts database cannot be reached: try again.", retryAfter: 2}
	case errors.As(err, &limit) && limit.Busy:
		return &problem{Status: http.StatusServiceUnavailable, Code: "timeout", Detail: "The answer took too long or too much memory: ask for a shorter range, or try again.", retryAfter: 5}
	case errors.As(err, &limit):
		return refusal(http.StatusUnprocessableEntity, "too_much", "The question reaches over too many rows: ask for a shorter range.")
	case errors.Is(err, context.Canceled):
		return refusal(http.StatusServiceUnavailable, "cancelled", "The request was given up.")
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{Status: http.StatusServiceUnavailable, Code: "timeout", Detail: "The answer took too long: try again, or ask for less.", retryAfter: 5}
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Detail: "A database cannot be reached: try again.", retryAfter: 2}
	}
	return refusal(http.StatusInternalServerError, "internal", "Something went wrong inside. The log has it under the request id.")
}

// write sends the problem.
func (p *problem) write(w http.ResponseWriter, requestID string) {
	answer := *p
	answer.Type, answer.Title, answer.RequestID = "about:blank", http.StatusText(p.Status), requestID
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	if p.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(&answer) // the only error is a client that went away
}
