package report

import "slices"

// Another stands for every media source that does not exist for a person whose view is narrowed: they
// may know that there was one, but not which it was, nor its credit.
const Another = "another source"

// theirs reports whether a media source exists for whoever asks.
func theirs(q *Query, source string) bool {
	return len(q.MediaSources) == 0 || source == "" || slices.Contains(q.MediaSources, source)
}

// shownSources is the SQL of a list of media sources as whoever asks may see them.
func (s *Statement) shownSources(q *Query, column string) *Statement {
	if len(q.MediaSources) == 0 {
		return s.add(column)
	}
	return s.add("arrayMap(x -> if(x IN (?), x, '"+Another+"'), "+column+")", q.MediaSources)
}

// narrow removes from a conversion the media sources that do not exist for whoever asks. What
// stays of their touches is that they were there, and when.
func narrow(q *Query, r *ConversionResult) {
	if in := &r.Install; !theirs(q, in.MediaSource) {
		*in = Install{ID: in.ID, Result: in.Result, MediaSource: Another}
	}
	if re := r.Reengagement; re != nil && !theirs(q, re.MediaSource) {
		r.Reengagement = &Reengagement{Opened: re.Opened, MediaSource: Another}
	}
	for i := range r.Candidates {
		if c := &r.Candidates[i]; len(q.MediaSources) > 0 && (c.MediaSource == "" || !theirs(q, c.MediaSource)) {
			*c = Candidate{Kind: c.Kind, Time: c.Time, MediaSource: Another}
		}
	}
	for i := range r.Touches {
		if t := &r.Touches[i]; !theirs(q, t.MediaSource) {
			*t = Touch{Kind: t.Kind, Time: t.Time, MediaSource: Another, Credit: map[string]int64{}, Revenue: map[string]Decimal{}}
		}
	}
}

// narrowItem does the same with a line of the conversions list, given the media sources of the install
// and of the credit as they are stored.
func narrowItem(q *Query, item *ConversionItem, install, credited string) {
	if !theirs(q, install) {
		item.InstallFrom.MediaSource, item.InstallFrom.Campaign = Another, ""
	}
	if !theirs(q, credited) {
		item.CreditedTo.MediaSource, item.CreditedTo.Campaign = Another, ""
	}
	switch {
	case theirs(q, install) && install != "", len(q.MediaSources) == 0:
	case theirs(q, credited) && credited != "":
		item.MediaSource, item.Campaign = item.CreditedTo.MediaSource, item.CreditedTo.Campaign
	case !theirs(q, install) || !theirs(q, credited):
		item.MediaSource, item.Campaign = Another, ""
	}
}
