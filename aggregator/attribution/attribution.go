// Package attribution decides what a conversion is credited to. It is pure: it
// does no I/O, reads no clock and starts no goroutine. The same facts and
// settings give the same bytes on every machine, in any order and with any
// repetition, so that replays, retries and several nodes at work on one
// conversion end at one result.
//
// Derive maps an event to facts: touches, conversions and identity links.
// Engine.Attribute (and Attribute) maps a conversion, the facts around it and
// the app's settings to a Result. Settle does so for many conversions at once
// and connects in-app events and reinstalls to their installs. What follows
// defines the result closely enough to compute it in another language; oracle
// does, and for paths and shares a query in SQL does (package warehouse, Twin).
//
// # What is considered
//
// The deadline of a conversion is its Received plus the lateness limit; a fact
// with a later Received does not exist for it. The person is what Reach finds
// from the conversion's keys, but fingerprints, over the links that are on time; from each key its first
// MaxLinks links are followed, by (Received, other key). Of the variants of
// one touch id the one with the smallest (Received, Digest, Time) exists, of a
// conversion id likewise, before anything else is looked at. Considered are the
// touches, but openings, with C-before < T <= C+after that have a key of the
// person; impressions only for an install, or if the settings let them share;
// at most the latest MaxTouches up to C and the first 100 after it. An install
// reaches back one day more than the lookback and every window, and ahead one day;
// an in-app event reaches back the lookback, and if the person has an earlier
// install, for retargeting touches of any kind also the re-engagement window and
// the longest window together. Order is always by (time, id), ids by bytes.
//
// Openings are considered of an in-app event that has an earlier install and a
// considered retargeting touch: the touches that are marked as opened, of the
// person, after that install, with C - re-engagement window - inactivity < O <= C,
// the latest 1,000. Probable touches are considered of an install, with
// probabilistic matching on, that claims no click id itself or in its referrer:
// those not of the person that share a fingerprint with it, C - L < T <= C, L being
// the longest probabilistic window, the latest 100.
//
// The input digest is XXH64 with seed 0 over: Revision, generation, conversion
// (id, time, received, digest, marks), the number of touches and each (id, time,
// received, digest, opened + 2·marks) in order, the number of distinct links within the person
// that are followed from either end and each (A, B) in order of (A, B), the number of earlier installs and each (id,
// time, received, digest, outcome, reason, match, touch id, media source, campaign, ad set,
// ad, keyword, link id, fraud rule) in order, the number of probable
// touches and each like a touch, the number of openings and each (id, time,
// received, digest). A number is 8 bytes,
// little-endian; a text is its length in bytes as a number, then its bytes.
//
// # The path and its models
//
// On the path are the considered touches with C-lookback < T <= C, clicks and
// visits and, if set, impressions, without those whose person withheld consent
// and those that are rejected as fraud; no touch at all if the conversion's did. Then the transform:
// collapse_repeats keeps the last of each run of one media source, compared byte
// by byte; ignore_direct drops the touches whose media source is "direct",
// "Direct" or "(direct)" and the visits that name no source, medium, campaign,
// click id or link, unless that drops all.
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
// millionths, each shared by largest remainder over the weights w with sum W:
// every touch gets ⌊V·w/W⌋, and the units that are left go one each to the
// greatest V·w mod W, to the later touch of equal ones. Shares of negative
// revenue are the negated shares of its magnitude. Products need 128 bits.
//
// # Installs
//
// Candidates are the considered and the probable touches except direct ones (as
// above). In this order the first that holds is a candidate's verdict:
// consent_withheld, after_conversion (T > C), fraud_rejected, window_expired
// (C >= T + window; probable touches have windows of their own), duplicate (the same
// kind, media source and click id as an earlier candidate), not_retargeting (of a
// reinstall). Those left compete: tier 1, clicks and visits that have the click
// id of the install referrer or of the install; tier 2, other clicks and visits;
// tier 3, probable clicks and visits; tier 4, impressions; tier 5, probable ones.
// The lowest tier wins, in it the latest, at one instant
// referrer before the rest, then the greater id. A claim that no candidate bears
// out is a candidate without a touch: unknown_click_id, or foreign_referrer if
// the referrer names a campaign but none of our click ids.
//
// Without a winner an install is unattributed if a candidate says anything but
// after_conversion, else organic. An install on the same device less than the
// re-attribution window after a new install is a reinstall, which keeps the
// source, or with a winner a re_attribution. In-app events carry the install
// fields of the latest earlier install on their device, else of their person.
//
// # Coming back
//
// An opening re-engages if the time before it at which the person was last active,
// the latest earlier opening considered or the install, is at least the inactivity
// before it, and a considered retargeting touch T, with consent and not rejected,
// has T <= O < T + window: of several a click or visit before an impression, then
// the latest, the greater id. (Of more than 1,000 openings the earliest left only
// shows activity.) An in-app event with consent belongs to the latest opening that
// re-engages with C < O + re-engagement window. If it is that opening itself, its
// outcome is re_engagement.
//
// # Fraud
//
// Rules hold of a touch in this order: blocked_address, bot, malformed_advertising_id
// (marks of the touch or of the install that is attributed);
// click_after_install_begin (of an install, a click up to it whose time, or with the
// referrer's click id the store's stamp of it, is in a later second than
// install-begin); device_frequency (a click with at least MaxClicks other considered
// clicks of its device in (T - window, T]; not of probable ones);
// address_frequency (a mark of the touch or of the install);
// short_click_to_install (of an install, a click up to it by less than the minimum).
// The first that holds and rejects marks the touch, else the first that holds and is
// not off. An install has the mark of its winner, without one that of its own marks;
// a reinstall without a winner keeps what it had.
//
// Choices where the field has no one answer: a campaign visit counts as a click;
// a touch after the install is shown but is no evidence; a repeated network
// click counts at its first report; a second device is a new install.
package attribution
