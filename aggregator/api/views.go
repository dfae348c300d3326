package api

import (
	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/apps"
)

func viewRoutes() []route {
	return []route{
		{method: "GET", path: "apps/{app}/views", rule: needs(access.ReportsRead).inPart(), handle: listViews,
			summary: "Saved views: own ones, and those that others share", reply: page[apps.View]{}},
		{method: "POST", path: "apps/{app}/views", rule: needs(access.ReportsRead).inPart(), handle: createView, summary: "Save a view", body: viewBody{},
			reply: apps.View{}, status: 201},
		{method: "PUT", path: "apps/{app}/views/{view}", rule: needs(access.ReportsRead).inPart(), handle: changeView, summary: "Change an own view",
			body: viewBody{}, reply: apps.View{}},
		{method: "DELETE", path: "apps/{app}/views/{view}", rule: needs(access.ReportsRead).inPart(), handle: deleteView, summary: "Delete an own view"},
		{method: "GET", path: "apps/{app}/aliases", rule: needs(access.ReportsRead), handle: readAliases,
			summary: "Names that reports show for media sources, by the stored names in small letters", reply: aliasesBody{}},
		{method: "PUT", path: "apps/{app}/aliases", rule: needs(access.AttributionConfigure), handle: putAliases,
			summary: "Replace the aliases of media sources; they hold for all reports at once, and change nothing that is stored", body: aliasesBody{},
			reply: aliasesBody{}},
	}
}

type viewBody struct {
	Name   string `json:"name"`
	Page   string `json:"page"`
	Query  string `json:"query"`
	Shared bool   `json:"shared,omitempty"`
}

func listViews(c *call) (any, error) {
	list, err := c.Accounts.Apps.Views(c.ctx, c.param("app"), c.session.User.ID)
	if err != nil {
		return nil, err
	}
	return pageOf(list), nil
}

func createView(c *call) (any, error) { return saveView(c, "") }
func changeView(c *call) (any, error) { return saveView(c, c.param("view")) }

func saveView(c *call, id string) (any, error) {
	var body viewBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	view := apps.View{ID: id, Name: body.Name, Page: body.Page, Query: body.Query, Shared: body.Shared}
	return answerOf(c.Accounts.Apps.SaveView(c.ctx, c.param("app"), c.session.User.ID, view))
}

func deleteView(c *call) (any, error) {
	return nil, c.Accounts.Apps.DeleteView(c.ctx, c.param("app"), c.session.User.ID, c.param("view"))
}

// aliasesBody are all aliases of an app.
type aliasesBody struct {
	Aliases map[string]string `json:"aliases"`
}

func readAliases(c *call) (any, error) {
	list, err := c.Accounts.Apps.Aliases(c.ctx, c.param("app"))
	return aliasesBody{list}, err
}

func putAliases(c *call) (any, error) {
	var body aliasesBody
	if err := c.body(&body); err != nil {
		return nil, err
	}
	list, err := c.Accounts.Apps.PutAliases(c.ctx, c.param("app"), body.Aliases)
	return aliasesBody{list}, err
}
