package ingest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/vendor"
)

// What other vendors' endpoints have of their own between a request and its rewriting: where its
// facts are, and how it is answered.

// rewrite makes messages of a request in another vendor's format.
func (c *call) rewrite(e *endpoint) *problem {
	d := &c.maker.Doc
	request := vendor.Request{Doc: d, Form: c.form, Parameters: c.r.URL.Query(), Path: c.r.PathValue}
	if e.list != "" {
		request.List = d.Member(0, e.list)
		if d.Kind(request.List) != document.Array {
			return &problem{status: http.StatusBadRequest, code: "missing_" + e.list, text: `the body needs "` + e.list + `", a list`}
		}
		if p := c.checkShared(request.List); p != nil {
			return p
		}
	}
	var refusal *vendor.Refusal
	if e.app != nil {
		var number string
		if number, refusal = e.app(&c.rewriter, &request); refusal == nil {
			if p := c.appleApp(number); p != nil {
				return p
			}
		}
	}
	if refusal == nil {
		refusal = e.rewrite(&c.rewriter, &request)
	}
	if refusal != nil {
		return &problem{status: http.StatusBadRequest, code: refusal.Code, text: refusal.Text}
	}
	return c.become(e)
}

func answerAdjust(c *call, p *problem) *problem {
	if p == nil {
		warnInHeader(c.w.Header(), c.warned)
		c.write(http.StatusOK, "application/json", append(appendWarnings([]byte(`{"success":true,"status":"OK"`), c.warned), '}'))
	}
	return p
}

// readForm reads parameters in the address, and in the body of a POST.
func readForm(c *call) *problem {
	text := c.r.URL.RawQuery
	if c.r.Method == http.MethodPost {
		if p := c.read(); p != nil {
			return p
		}
		text = strings.Trim(text+"&"+string(c.body), "&\r\n")
	} else {
		c.compute()
	}
	if strings.Count(text, "&") >= c.h.Limits.Keys {
		return &problem{status: http.StatusBadRequest, code: "too_many_keys", text: "more than " + itoa(c.h.Limits.Keys) + " parameters; send fewer"}
	}
	parameters, err := url.ParseQuery(text)
	if err != nil {
		return &problem{status: http.StatusBadRequest, code: "malformed_form", text: "the parameters are not URL-encoded: escape % and ; as %25 and %3B"}
	}
	c.form = parameters
	return nil
}

// answerGA4 is always 204, with the reason of a refusal in a header: the senders know no refusals
// and read no answer. Only where the events were not stored although they may be sent again is
// the answer 429 or 503.
func answerGA4(c *call, p *problem) *problem {
	if p != nil && (p.status == http.StatusTooManyRequests || p.status >= http.StatusInternalServerError) {
		return p
	}
	header := c.w.Header()
	switch {
	case p != nil:
		header.Set("X-Refused", p.code)
		c.h.Logger.Debug("GA4 request refused", "code", p.code, "reason", p.text)
	case len(c.rejected) > 0:
		header.Set("X-Refused", c.rejected[0].Reason.Explain().Code)
	}
	warnInHeader(header, c.warned)
	header.Set("Cache-Control", "no-store")
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// appleApp finds the app by its number in the App Store. Where a key has said the app, the number
// must not belong to another one: a client key is public, and so is a postback that Apple signed.
func (c *call) appleApp(number string) *problem {
	id, keyed := c.rules.AppleApps[number], c.app.ID != ""
	switch {
	case keyed && id != "" && id != c.app.ID:
		return &problem{status: http.StatusForbidden, code: "other_app", text: "this postback is of another app than the write key"}
	case keyed:
		return nil
	case id != "":
		app, ok := c.h.Directory.App(id)
		if ok && !app.Blocked {
			c.app = app
			return nil
		}
		if !c.h.Directory.Fresh() {
			return &problem{status: http.StatusServiceUnavailable, code: "app_not_known_yet", retryAfter: closingProblem().retryAfter,
				text: "this agent is cut off from its aggregators and does not know the app; send the request again later"}
		}
	}
	return &problem{status: http.StatusUnauthorized, code: "unknown_app",
		text: `no app for this postback; add its App Store number to the agent's setting apple_apps, or a write key to the address as "?key="`}
}
