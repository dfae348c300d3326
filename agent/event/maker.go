// Package event makes events of messages. A message is one call of the Segment HTTP API, one touch
// that a server reports, or one click on a link; the event is its stored form, stamped once. The
// package is pure: facts that a message cannot state (the app, the trust in its key, the agent's
// clock, who sent it) come in a Request.
package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/unmogrowp/unmogrowp/agent/document"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// Client is whoever sent a request.
type Client interface {
	Address() string          // IP address in its canonical form, "" if there is none
	Agent() string            // User-Agent
	Country(ip string) string // ISO 3166 code of an address, "" if it is not known
}

// Request is what all messages of one request have in common and do not say themselves.
type Request struct {
	App        protocol.App
	Trusted    bool  // sent with a server key
	Received   int64 // the agent's clock, in milliseconds since the epoch
	Client     Client
	NewID      func() string           // mints a message id
	EventBytes int                     // of one event, at most
	Robot      func(agent string) bool // always the same one; nil knows none

	Link func(slug string) (protocol.Link, bool) // tracking links, which an app can open by itself; may be nil

	KeyHash   []byte // of the write key
	Import    bool   // sent to be imported as history
	MayImport bool   // the key may do so
	Foreign   bool   // in another vendor's format
}

// Maker makes events, one after another. Its strings are views of the text that Doc was parsed from
// and of the text that Doc unescaped: an event is good until the next one is made, or Doc is parsed
// again.
type Maker struct {
	Request
	Doc    document.Document
	Event  protocol.Event // the last one made
	Minted bool           // its id was made here, for want of a usable one
	Warned []Warned       // facts of this request that were not stored as they were sent

	shared  shared
	message message
	pages   places
	payload []byte
	agents  agentCache
}

// Begin starts a request. Doc is parsed, or will be before Make.
func (m *Maker) Begin(r Request) {
	m.Request, m.shared, m.Warned = r, shared{}, m.Warned[:0]
}

// Forget lets go of the last request, so that a maker can be kept for the next.
func (m *Maker) Forget() {
	m.Request, m.message, m.Event, m.pages = Request{}, message{}, protocol.Event{}, places{}
}

// Size is how many bytes of memory a maker holds, for those who keep makers.
func (m *Maker) Size() int { return cap(m.payload) + m.Doc.Size() }

// Batch finds the list of messages in the document, and their shared members. The list is 0 if
// there is none.
func (m *Maker) Batch() (list document.Ref) {
	m.shared, list = readShared(&m.Doc)
	return list
}

// steps are the things that are done to every message, in order. Any may refuse it.
var steps = [...]func(*Maker) Reason{
	(*Maker).screen, (*Maker).identify, (*Maker).stamp, (*Maker).device, (*Maker).campaign,
	(*Maker).money, (*Maker).consent, (*Maker).client, (*Maker).classify, (*Maker).locate, (*Maker).hide, (*Maker).seal,
}

// Make turns one object of the document into Event. Keep is told of it while it is good, and may
// refuse it as well. An unknown kind is told by the message's own "type".
func (m *Maker) Make(index int, item document.Ref, k protocol.Kind, keep func(*protocol.Event) Reason) Rejection {
	r, ok := m.look(index, item)
	if !ok {
		return r
	}
	mark, warned := m.Doc.Mark(), len(m.Warned)
	m.message = message{self: item, kind: k, index: index, ctx: m.shared.ctx}
	readMessage(&m.Doc, &m.message)
	m.Event, m.Minted = protocol.Event{App: m.App.ID}, false
	for _, run := range steps {
		if r.Reason = run(m); r.Reason != Accepted {
			break
		}
	}
	if r.Reason == Accepted {
		if m.Foreign && nobody(&m.Event) {
			m.warn(protocol.WarnIDIgnored, "", "no id of a person or a device: nobody can be told whose event this is")
		}
		sign(&m.Event, m.KeyHash)
		r.Reason = keep(&m.Event)
	}
	if r.Reason != Accepted { // then what could not be read of it does not matter
		m.Warned = m.Warned[:warned]
	}
	m.Doc.Release(mark)
	return r
}

// look refuses an item that is no object, or breaks a limit of the document.
func (m *Maker) look(index int, item document.Ref) (Rejection, bool) {
	start, _ := m.Doc.Span(item)
	r := Rejection{Index: index, Offset: start, Reason: Accepted}
	if m.Doc.Kind(item) != document.Object && (item != 0 || m.Doc.Root() != document.Object) {
		r.Reason = NotAnObject
		return r, false
	}
	if f, bad := m.Doc.FaultIn(item); bad {
		r.Offset, r.Reason = f.Offset, Reason(f.Limit)
		return r, false
	}
	return r, true
}

// screen refuses an event that is too large, and finds its kind.
func (m *Maker) screen() Reason {
	if start, end := m.Doc.Span(m.message.self); end-start > m.EventBytes {
		return TooLarge
	}
	e, msg := &m.Event, &m.message
	e.Kind = msg.kind
	if e.Kind == protocol.KindUnknown {
		e.Kind = protocol.ParseKind(m.Doc.Str(msg.typ))
	}
	if e.Kind == protocol.KindUnknown || e.Kind.Touch() {
		return UnknownType
	}
	return Accepted
}

// identify sets the ids of the message and of the person, and the name.
func (m *Maker) identify() Reason {
	e, msg := &m.Event, &m.message
	m.setMessageID()
	for _, f := range [...]struct {
		field *string
		value document.Ref
	}{{&e.UserID, msg.userID}, {&e.AnonymousID, msg.anonymousID}, {&e.GroupID, msg.groupID}, {&e.PreviousID, msg.previousID}} {
		if r := m.setID(f.field, f.value); r != Accepted {
			return r
		}
	}
	return m.nameEvent()
}

// setID sets an id of a person or a group, unless it stands for "no id".
func (m *Maker) setID(field *string, v document.Ref) Reason {
	d := &m.Doc
	switch d.Kind(v) {
	case document.None, document.Null:
		return Accepted
	case document.String, document.Number:
	default:
		return InvalidID
	}
	id := d.Scalar(v)
	switch {
	case len(id) > MaxID:
		return IDTooLong
	case id == "":
	case protocol.SaysNothing(id):
		m.warn(protocol.WarnIDIgnored, id, "says nobody: it is the same for all who have no id")
	default:
		*field = id
	}
	return Accepted
}

// setMessageID sets the id of the message. One that cannot stand in an address or a log is
// replaced by a hash of it, so that sending it again is still the same message; none, or one that
// says nothing, by one of our own.
func (m *Maker) setMessageID() {
	e := &m.Event
	if e.ID = m.Doc.Scalar(m.message.id); ValidMessageID(e.ID) && (len(e.ID) > 9 && letterOrDigit(e.ID[0]) || !protocol.SaysNothing(e.ID)) {
		return
	}
	said := e.ID
	m.Minted = true
	if strings.TrimSpace(said) == "" || protocol.SaysNothing(said) && (!protocol.Macro(said) || !letterOrDigit(said[0])) {
		e.ID = m.NewID()
		if said != "" {
			m.warn(protocol.WarnIDIgnored, said, "says no message: it has an id of its own now, and is another one when it is sent again")
		}
		return
	}
	sum := sha256.Sum256([]byte(said))
	e.ID = "id-" + hex.EncodeToString(sum[:16])
	m.warn(protocol.WarnIDIgnored, said, "cannot be a message id, which has 1 to 100 printable ASCII characters without spaces: its hash stands for it")
}

func letterOrDigit(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' }

func (m *Maker) nameEvent() Reason {
	e, msg, d := &m.Event, &m.message, &m.Doc
	switch e.Kind {
	case protocol.KindTrack:
		e.Name = strings.TrimSpace(d.Scalar(msg.event))
		if e.Name == "" {
			return MissingName
		}
	case protocol.KindPage, protocol.KindScreen:
		if e.Name = strings.TrimSpace(d.Scalar(msg.name)); e.Name == "" {
			e.Name = strings.TrimSpace(d.Scalar(msg.props.name))
		}
	}
	if len(e.Name) > MaxID {
		return IDTooLong
	}
	return Accepted
}

// ValidMessageID accepts printable ASCII without spaces: text that can stand in a URL path once
// escaped, and in a log.
func ValidMessageID(s string) bool {
	if s == "" || len(s) > MaxMessageID {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// seal sets the payload and its digest, which tells a retry from another
// message under the same id.
func (m *Maker) seal() Reason {
	m.payload = m.appendPayload(m.payload[:0])
	e := &m.Event
	e.Payload = m.payload
	if len(m.payload) == 0 {
		e.Payload = m.Doc.Raw(m.message.self)
	}
	m.hidePayload()
	if len(e.Payload) > m.EventBytes {
		return TooLarge
	}
	e.Digest = digest(e.Kind, e.Payload)
	return Accepted
}

// digest depends on nothing that the agent adds: an SDK's retry has the same.
func digest(k protocol.Kind, payload []byte) uint64 {
	const golden = 0x9e3779b97f4a7c15 // spreads the kind over all bits
	return xxhash.Sum64(payload) ^ uint64(k)*golden
}
