// Package attribution decides which touches a conversion is credited to. It is pure: it
// does no I/O, reads no clock and starts no goroutine. The same facts and
// settings give the same bytes on every machine, in any order and with any
// repetition, so that replays, retries and several nodes at work on one
// conversion end at one result.
//
// Derive maps an event to facts: touches, conversions and identity links.
// Engine.Attribute (and Attribute) maps a conversion, the facts around it and
// the app's settings to a Result. Settle does so for many conversions at once
// and connects in-app events and reinstalls to their installs. This comment
// defines the result closely enough to compute it in another language. Two other
// implementations do: package oracle, from the events on, and the SQL of package
// warehouse (Twin), from the stored facts on; both compute everything below.
//
// # Keys
//
// A match key is "kind:value". Keys of the kinds anon, device, gaid, idfa, idfv, oaid
// and user are personal. A click key ("click:") names a click, an order key ("order:")
// an order, a fingerprint ("fp:") a device that looks the same.
//
// Identity links join personal keys, in both directions. A link between a personal key
// and a click key says that the person named the click; nothing is followed from a click.
//
// # Facts that count
//
// The deadline of a conversion is its Received plus the lateness limit; a fact
// with a later Received does not exist for it. A conversion that is marked historical
// has no deadline, and a fact that is marked so is never late.
//
// The person of a conversion is the set of personal keys that Reach finds from the
// conversion's personal keys over links received by the deadline. From each key its first
// MaxLinks links are followed, by (Received, other key). The person's clicks are the click
// keys that these links lead to, the first MaxClaims by their bytes, and the conversion's own.
//
// Of the variants of one touch id the one with the smallest (Received, Digest, Time)
// exists, of a conversion id likewise, before anything else is looked at.
//
// We consider touches, not openings, whose time T satisfies C-before < T <= C+after and
// that have a key of the person or of the person's clicks. Impressions are considered for an
// install, or if the settings let them share. A stated touch is considered for the
// conversion with its id, and for others if its source is trusted. An install looks back
// one day more than the lookback and every window, and ahead one day, for a click that it
// names 7 days (NamedAfter). An in-app event looks back the lookback; if the person has an
// earlier install, it looks for retargeting touches of any kind also as far back as the
// re-engagement window and the longest window together.
//
// A visit or stated touch with a click id that is not among its own keys is an arrival. If
// a considered touch that is no arrival has that click key, the arrival is left out. Then
// the latest MaxTouches up to C and the first 100 after it stay. Order is always by
// (time, id), ids by bytes.
//
// Openings are considered for an in-app event that has an earlier install and a
// considered retargeting touch: the touches that are marked as opened, with a key of the
// person or the person's clicks, after that install, with C - re-engagement window -
// inactivity < O <= C, the latest 1,000. Probable touches are considered for an install,
// with probabilistic matching on, that claims no click id itself or in its referrer:
// those not of the person that share a fingerprint with it, C - L < T <= C, where L is
// the longest probabilistic window, the latest 100.
//
// # Orders
//
// A conversion with negative revenue is a refund. The order of a refund is the first
// conversion before it with the same order key that is neither an install nor a refund and
// was received by the refund's deadline. With an order, a refund is attributed as if it were
// the order: with the order's time, stamps, keys and consent and with the settings of the
// order's time; only id, name, revenue, currency and marks are its own. If orders count
// once, a conversion that is neither install nor refund repeats the first conversion before
// it with the same order key and name, by the same conditions. It then has no touches and
// no revenue.
//
// # The input digest
//
// The input digest is XXH64 with seed 0 over: Revision, generation, conversion
// (id, time, received, digest, marks), the number of touches and each (id, time,
// received, digest, opened + 2·marks) in order, the number of distinct links between keys of
// the person and the person's linked clicks that are followed from either end and each (A, B)
// in order of (A, B), the number of earlier installs and each (id, time, received, digest,
// outcome, reason, match, touch id, media source, campaign, ad set, ad, keyword, link id,
// fraud rule, the number of touches that rules rejected for it and each (id, rule) in order)
// in order, the number of taken clicks and each (touch id, id of the install that took it) in
// order, the number of probable touches and each like a touch, the number of openings and
// each (id, time, received, digest), the number of orders, 0 or 1, and its (id, time,
// received, digest). A number is 8 bytes, little-endian; a text is its length in bytes as a
// number, then its bytes.
//
// # The path and its models
//
// On the path are the considered touches with C-lookback < T <= C: clicks, visits and
// trusted stated touches and, if set, impressions. Touches whose person withheld consent
// and rejected touches are not on it; if the conversion's person withheld consent, none is.
// Of several touches with one media source and one click id the first stays. Of visits that
// are marked as named by a site only, one less than 30 minutes after another of that source is
// left out. Then the transform: collapse_repeats keeps the last of each run of one media
// source, compared byte by byte; ignore_direct drops direct touches unless all are direct.
// A touch is direct if its media source is "direct", "Direct" or "(direct)" and it has no
// campaign and no link, or if it is a visit without source, medium, campaign, click id and
// link.
//
// Each model gives the n touches of the path whole-numbered weights:
//
//	first_touch     1 for the first, 0 for the others
//	last_touch      1 for the last, 0 for the others
//	linear          1
//	time_decay      ⌊2^48 · 2^(−Δ/H)⌋, Δ the milliseconds from the touch to the
//	                last touch of the path, H the half-life: the exact floor
//	position_based  n = 1: 1. n = 2: first, last (1 and 1 if both are 0).
//	                Else first·(n−2), middle for each between, last·(n−2)
//
// Time decay measures age from the last touch instead of the conversion. The
// proportions are the same, and old paths keep their precision.
//
// Credit is 1,000,000 and revenue the magnitude of the conversion's revenue in
// millionths (0 for untrusted revenue, if that is excluded), each shared by largest
// remainder over the weights w with sum W: every touch gets ⌊V·w/W⌋, and the units that are
// left go one each to the greatest V·w mod W, to the later touch of equal ones. Shares of
// negative revenue are the negated shares of its magnitude. Products need 128 bits.
//
// # Installs
//
// Candidates are the considered and the probable touches that are not direct; of stated
// touches only the install's own. The verdict of a candidate is the first that holds of:
// consent_withheld, after_conversion (T > C), fraud_rejected, window_expired
// (C >= T + window; probable touches have windows of their own), claimed_campaign (a stated
// touch that is not trusted), duplicate (the same kind, media source and click id as an
// earlier candidate, or a taken click), not_retargeting (for a reinstall). The remaining
// candidates compete: tier 1, clicks and visits that have the click id of the install
// referrer or of the install, and the stated touch; tier 2, other clicks and visits;
// tier 3, probable clicks and visits; tier 4, impressions; tier 5, probable impressions.
// The lowest tier wins, in it the latest, at one instant referrer before the rest, then the
// greater id. A claim that no candidate has is a candidate without a touch:
// unknown_click_id for a click id (not for a network's that the stated touch has), or
// foreign_referrer if the referrer names a campaign, none of our click ids, and there is no
// stated touch.
//
// An install takes the clicks that it names if they are none of withheld, later than it,
// rejected or expired. A click that an install names is taken if an earlier install, of
// anybody and received by the deadline, took it: the first of these counts.
//
// A stated touch is trusted if it came under a server key, or if its media source, in lower
// case, is one of the trusted referrers.
//
// Without a winner an install is unattributed if a candidate says anything but
// after_conversion or says that of a click that the install names, else organic. An install
// on the same device less than the re-attribution window after a new install is a
// reinstall, which keeps the source, or with a winner a re_attribution. In-app events carry
// the install fields of the latest earlier install on their device, else of their person.
//
// # Coming back
//
// The activity before an opening is the latest earlier considered opening, else the
// install. An opening re-engages if the activity before it is at least the inactivity
// earlier and a considered retargeting touch T, with consent and not rejected, satisfies
// T <= O < T + window: of several a click or visit before an impression, then the latest,
// the greater id. (Of more than 1,000 openings the earliest left only shows activity.) An
// in-app event with consent belongs to the latest opening that re-engages with
// C < O + re-engagement window. If it is that opening itself, its outcome is re_engagement.
//
// # Fraud
//
// The rules are tried in the order of FraudRules: blocked_address, bot,
// malformed_advertising_id (marks of the touch, or of the install that is attributed);
// click_after_install_begin (for an install, a click up to it whose time, or with the
// referrer's click id the store's stamp of it, is in a later second than install-begin);
// device_frequency (a click with at least MaxClicks other considered clicks of its device
// in (T - window, T]; not for probable ones); address_frequency (a mark of the touch or of
// the install); short_click_to_install (for an install, a click up to it by less than the
// minimum). The first rule that holds and rejects marks the touch, else the first that
// holds and is not off. A touch that the rules rejected as a candidate of an earlier install
// of the person, with consent and up to that install, is rejected with that rule, if the rules
// do not reject it anyway. Rejected touches that would be on the path of an in-app event are
// its candidates, with verdict fraud_rejected. An install has the mark of its winner, without
// one that of its own marks; a reinstall without a winner keeps the mark that it had.
//
// Choices where the field has no one answer: a campaign visit counts as a click;
// a touch after the install is shown but is no evidence; a repeated network
// click counts at its first report; a second device is a new install.
package attribution
