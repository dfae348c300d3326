package attack

func linkAttacks() []attack { return nil }
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
	for i := 57; i <= 84; i++ {
		m[i] = "the attack is not written yet"
	}
	return m
}
