package attribution

// maxGeneration is the greatest settings generation a version can hold.
const maxGeneration = 1<<24 - 1

// Version orders the rows of one conversion, greatest last: by settings
// generation, then repair, then number of inputs (up to 65,535), then digest.
//
// Inputs normally only grow, so the row with all of them wins with repair 0,
// whoever writes it and in any order. They can shrink, or change in place, when
// a message id is used again with other content that wins. Then the right row
// may have the smaller version; whoever finds a stored row that does not match
// its inputs and would not be replaced writes with a repair of one more than
// the stored row's, and later rows keep that repair.
func (r *Result) Version(repair uint8) uint64 {
	inputs := min(uint64(r.Inputs), 1<<16-1)
	return min(r.Generation, maxGeneration)<<40 | uint64(repair)<<32 | inputs<<16 | r.InputDigest>>48
}

// Repair returns the repair count of a version.
func Repair(version uint64) uint8 { return uint8(version >> 32) }

// Above returns a version of the result that replaces a stored one: one repair more
// and, where the stored row is of newer settings, counted as theirs. A conversion
// gets older settings when a message id's content that counts arrives after another
// one with a later time.
func (r *Result) Above(stored uint64) uint64 {
	version := r.Version(Repair(stored) + 1)
	const generation = uint64(maxGeneration) << 40
	return max(version, version&^generation|stored&generation)
}
