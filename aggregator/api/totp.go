package api

// proofBody shows that whoever holds the token also knows the password.
type proofBody struct {
	CurrentPassword string `json:"current_password"`
}

type codeBody struct {
	Code string `json:"code"`
}

// recoveryAnswer is shown once.
type recoveryAnswer struct {
	Codes []string `json:"recovery_codes"`
}

func readTOTP(c *call) (any, error) {
	return answerOf(c.Accounts.Logins.TOTP(c.ctx, c.session.User.ID))
}

func enrolTOTP(c *call) (any, error) {
	var body proofBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	var answer any
	err := c.proving(func() (err error) {
		answer, err = c.Accounts.Logins.EnrolTOTP(c.ctx, c.session.User.ID, body.CurrentPassword)
		return err
	})
	return answer, err
}

func confirmTOTP(c *call) (any, error) {
	var body codeBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	var answer recoveryAnswer
	err := c.proving(func() (err error) {
		answer.Codes, err = c.Accounts.Logins.ConfirmTOTP(c.ctx, c.session.User.ID, c.session.ID, body.Code)
		return err
	})
	return answer, err
}

func removeTOTP(c *call) (any, error) {
	var body proofBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return nil, c.proving(func() error { return c.Accounts.Logins.RemoveTOTP(c.ctx, c.session.User.ID, body.CurrentPassword) })
}

func clearTOTP(c *call) (any, error) { return nil, c.Accounts.Logins.ClearTOTP(c.ctx, c.param("user")) }
