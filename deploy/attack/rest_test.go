package attack

func restAttacks() []attack { return nil }

// notYet are the groups that cannot be attacked, with the reason.
func notYet() map[int]string {
	m := map[int]string{
		21: "there is no bootstrap token",
		22: "there is no password reset",
		35: "there are no exports",
		38: "the browser suite does not carry stored scripts yet",
		43: "there are no exports",
	}
	m[52] = "the attack is not written yet"
	m[55] = "the attack is not written yet"
	for _, i := range []int{68, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84} {
		m[i] = "the attack is not written yet"
	}
	return m
}
