package api

import (
	"errors"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/people"
)

func listRoles(c *call) (any, error) {
	roles, err := c.Accounts.People.Roles(c.ctx)
	if err != nil {
		return nil, err
	}
	return pageOf(roles), nil
}

// newRole is a role to be.
type newRole struct {
	Role access.Role `json:"role"`
	roleBody
}

// roleBody holds the fields of a role that can be changed.
type roleBody struct {
	Description string              `json:"description,omitempty"`
	Permissions []access.Permission `json:"permissions"`
}

func createRole(c *call) (any, error) {
	var body newRole
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.People.CreateRole(c.ctx, people.Role{Name: body.Role, Description: body.Description, Permissions: body.Permissions}))
}

func changeRole(c *call) (any, error) {
	var body roleBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.People.UpdateRole(c.ctx, people.Role{Name: access.Role(c.param("role")), Description: body.Description, Permissions: body.Permissions}))
}

func deleteRole(c *call) (any, error) {
	return nil, c.Accounts.People.DeleteRole(c.ctx, access.Role(c.param("role")))
}

func listUsers(c *call) (any, error) {
	users, err := c.Accounts.People.Users(c.ctx)
	if err != nil {
		return nil, err
	}
	return pageOf(users), nil
}

// newUser is a user as it was made, with the invitation of a person without a password.
type newUser struct {
	people.User
	Invitation *people.PasswordLink `json:"invitation,omitempty"`
}

func createUser(c *call) (any, error) {
	var body people.NewUser
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Kind == people.Service || body.Password != "" {
		user, err := c.Accounts.People.CreateUser(c.ctx, body)
		return answerOf(newUser{User: user}, err)
	}
	user, link, err := c.Accounts.People.Invite(c.ctx, body)
	return answerOf(newUser{User: user, Invitation: &link}, err)
}

func resetLink(c *call) (any, error) {
	return answerOf(c.Accounts.People.ResetLink(c.ctx, c.param("user")))
}

type acceptBody struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

// acceptLink sets the password of whoever has the link. It does not log in: a second factor may be due.
func acceptLink(c *call) (any, error) {
	var body acceptBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if len(body.Token) > maxCredential || len(body.Password) > maxCredential || body.Token == "" || body.Password == "" {
		return nil, badRequest("Give a token and a password of reasonable length.")
	}
	from := originOf("\x00link", c.ip)
	if wait := c.logins.attempt(from, c.Now()); wait > 0 {
		return nil, throttled(wait)
	}
	err := c.Accounts.People.Accept(c.ctx, body.Token, body.Password)
	if errors.Is(err, people.ErrLink) {
		c.recordRefusal("link")
		return nil, err
	}
	c.logins.undo(from, c.Now())
	return nil, err
}

func readUser(c *call) (any, error) { return answerOf(c.Accounts.People.User(c.ctx, c.param("user"))) }

func changeUser(c *call) (any, error) {
	var body people.UserChange
	if err := c.body(&body); err != nil {
		return nil, err
	}
	return answerOf(c.Accounts.People.UpdateUser(c.ctx, c.param("user"), body))
}

func deleteUser(c *call) (any, error) {
	return nil, c.Accounts.People.DeleteUser(c.ctx, c.param("user"))
}

type rolesBody struct {
	Roles []access.Assignment `json:"roles"`
}

func setRoles(c *call) (any, error) {
	var body rolesBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	if body.Roles == nil {
		return nil, badRequest("Give roles, an empty list to take all away.")
	}
	return answerOf(c.Accounts.People.SetRoles(c.ctx, c.param("user"), body.Roles))
}
