package ingest

import (
	"net/http"
	"strconv"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/agent/event"
)

// takeTouches makes events of the body of POST /v1/s2s/touch: clicks, impressions and visits that a
// server reports, one or {"touches":[…]}.
func takeTouches(c *call) *problem {
	if !c.trusted() {
		return &problem{status: http.StatusForbidden, code: "server_key_required", text: "touches are taken with a server key only; client keys are public"}
	}
	d := &c.maker.Doc
	c.maker.Batch() // finds the members that the touches share
	list := d.Member(0, "touches")
	if list == 0 {
		return takeTouch(c)
	}
	if d.Kind(list) != document.Array {
		return &problem{status: http.StatusBadRequest, code: "missing_touches", text: `"touches" must be a list`}
	}
	if p := c.checkShared(list); p != nil {
		return p
	}
	c.ids = append(c.ids[:0], `,"ids":[`...)
	for index, item := 0, list+1; item < d.Next(list); index, item = index+1, d.Next(item) {
		c.ids = appendComma(c.ids, index)
		r := c.maker.MakeTouch(index, item, c.keep)
		if r.Reason == event.Accepted {
			c.ids = strconv.AppendQuote(c.ids, c.maker.Event.ID)
		} else {
			c.ids = append(c.ids, "null"...)
			c.reject(r)
		}
	}
	c.ids = append(c.ids, ']')
	return nil
}

func takeTouch(c *call) *problem {
	if faults := c.maker.Doc.Faults; len(faults) > 0 {
		return c.rejectedProblem(event.Rejection{Offset: faults[0].Offset, Reason: event.Reason(faults[0].Limit)})
	}
	if r := c.maker.MakeTouch(0, 0, c.keep); r.Reason != event.Accepted {
		return c.rejectedProblem(r)
	}
	c.ids = append(strconv.AppendQuote(append(c.ids[:0], `,"ids":[`...), c.maker.Event.ID), ']')
	return nil
}

// answerTouches names the id of each touch, null for one that was refused.
func answerTouches(c *call, p *problem) *problem {
	if p != nil {
		return p
	}
	b := append([]byte(`{"success":true`), c.ids...)
	c.write(http.StatusOK, "application/json", append(appendWarnings(appendRejected(b, c.rejected), c.warned), '}'))
	return nil
}
