package api

import (
	"strings"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/aggregator/report"
)

// common are the parameters of nearly every report.
const common = "from to tz filter fraud"

// with lists parameters; one text may hold several of them.
func with(lists ...string) []string { return strings.Fields(strings.Join(lists, " ")) }

// converting has the money of a report converted to the app's currency if none is named.
func converting(r route) route {
	r.converts = true
	return r
}

// naming has ids in its answer for those who may see them.
func naming(r route) route {
	r.ids = true
	return r
}

// reportRoutes has a line for each report.
func reportRoutes() []route {
	return []route{
		asks("reports/overview", "Exact counts, revenue and cost of a range, beside those of the period before", report.Overview,
			"from to tz filter compare currency format"),
		asks("reports/timeseries", "One metric over time", report.Timeseries, "from to tz filter interval metric currency format"),
		converting(asks("reports/performance", "The grid: what came of which source, campaign, day and so on. Installs go by their winner, events and "+
			"revenue by the credit of one model, or of all", report.Performance,
			common+" group_by metrics event model models compare currency as_of sort limit cursor format")),
		converting(naming(route{method: "GET", path: "apps/{app}/reports/why", rule: needs(access.ReportsRead).inPart(), handle: why,
			summary: "Why a cell of the grid is what it is: its role, all models, the paths that carry it and three journeys",
			query:   with(common, "event model currency"), reply: report.WhyResult{}})),
		converting(asks("reports/insights", "At most five sentences made from figures: what changed, and what the models dispute", report.Insights,
			common+" event compare currency")),
		asks("reports/attribution", "Conversions and revenue credited under one model", report.Attribution, common+" model group_by currency format"),
		{method: "GET", path: "apps/{app}/reports/compare", rule: needs(access.ReportsRead).inPart(), handle: compareReport,
			summary: "Two models side by side, with the difference in credit and in rank",
			query:   with(common, "a b run group_by currency format"), reply: report.CompareResult{}},
		asks("reports/sources", "Media sources and campaigns under last touch", report.Sources, common+" currency format"),
		asks("reports/paths", "The most frequent paths to conversions, and how long all were in touches and days", report.Paths,
			common+" currency limit format"),
		converting(asks("reports/cohorts", "New installs by day, week or month, followed by age: retention, revenue, revenue so far (ltv), roas or events",
			report.Cohorts,
			common+" cohort group_by metric days event activity currency format")),
		converting(asks("reports/retention", "The cohort report of who came back", report.Retention, common+" cohort group_by days activity currency format")),
		asks("reports/funnel", "How many people came through steps, one after the other within a window, and how many fell out", report.Funnel,
			common+" step window group_by format"),
		converting(asks("reports/fraud", "Marked touches and installs by rule, source, campaign and so on, and the installs that a rule would reject",
			report.FraudReport,
			"from to tz filter by currency format")),
		asks("reports/late", "Touches that came too late to change credit, and message ids with several contents", report.Late, "from to tz"),
		asks("costs", "What advertising cost, as it was imported; of each day, source, campaign, ad set, ad and country the latest", report.ListCosts,
			"from to tz filter as_of limit cursor format"),
		asks("costs/coverage", "Sources and campaigns that cost something and brought nothing, and those of which no cost is known", report.Coverage,
			"from to tz filter"),
		{method: "POST", path: "apps/{app}/costs", rule: needs(access.CostsWrite).inPart(), handle: putCosts,
			summary: "Import costs, as rows, or as a file (text/csv, or in the field file) with our columns or those of an export of Google Ads, Meta, TikTok " +
				"or Apple Search Ads; a later import of the same key replaces",
			query: with("currency media_source dry_run"), body: costsBody{}, reply: costsAnswer{}, text: true},
		naming(asks("conversions", "Conversions, newest first; without the permission raw.read each has a handle in place of its id", report.ListConversions,
			common+" event model limit cursor format")),
		naming(route{method: "GET", path: "apps/{app}/conversions/{conversion}", rule: needs(access.ReportsRead).inPart(), handle: conversion,
			summary: "One conversion, by its id or its handle, and why it was credited so; ids need raw.read", reply: report.ConversionResult{}}),
	}
}
