package api

import "github.com/unmogrowp/unmogrowp/aggregator/people"

// newToken is a token as it is shown once.
type newToken struct {
	people.Token
	Secret string `json:"token"`
}

func myTokens(c *call) (any, error)      { return c.tokens(c.session.User.ID) }
func createMyToken(c *call) (any, error) { return c.makeToken(c.session.User.ID) }
func listTokens(c *call) (any, error)    { return c.tokens(c.param("user")) }
func createToken(c *call) (any, error)   { return c.makeToken(c.param("user")) }

func revokeMyToken(c *call) (any, error) {
	return nil, c.Accounts.Logins.RevokeToken(c.ctx, c.session.User.ID, c.param("token"))
}

func revokeToken(c *call) (any, error) {
	return nil, c.Accounts.Logins.RevokeToken(c.ctx, c.param("user"), c.param("token"))
}

func (c *call) tokens(user string) (any, error) {
	tokens, err := c.Accounts.Logins.Tokens(c.ctx, user)
	if err != nil {
		return nil, err
	}
	return pageOf(tokens), nil
}

func (c *call) makeToken(user string) (any, error) {
	var body people.NewToken
	if err := c.body(&body); err != nil {
		return nil, err
	}
	token, secret, err := c.Accounts.Logins.CreateToken(c.ctx, user, body)
	if err != nil {
		return nil, err
	}
	return newToken{Token: token, Secret: secret}, nil
}
