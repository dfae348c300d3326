package mcp

import "net/url"

// models are the attribution models of the grid.
func models() []string {
	return []string{"first_touch", "last_touch", "linear", "time_decay", "position_based"}
}

func dimensions() []string {
	return []string{"media_source", "campaign", "adset", "ad", "keyword", "sub1", "sub2", "sub3", "sub4", "sub5", "link", "country", "platform", "app_version", "day", "week", "month"}
}

func metrics() []string {
	return []string{"impressions", "clicks", "ctr", "installs", "view_through", "cvr", "reinstalls", "re_attributions", "re_engagements", "events", "revenue", "gross", "refunds",
		"untrusted", "cost", "cpc", "cpi", "roas", "arpu", "fraud_share"}
}

func appParam() param {
	return param{name: "app", about: "app id, from list_apps", required: true}
}

// rangeParams are those of every report.
func rangeParams() []param {
	return []param{
		appParam(),
		{name: "from", about: "first instant, RFC 3339 or a date such as 2026-11-01 in tz", required: true},
		{name: "to", about: "first instant after the range, RFC 3339 or a date in tz; exclusive", required: true},
		{name: "tz", about: "IANA time zone in which days begin, such as Europe/Berlin; default: the app's"},
		{name: "currency", about: "ISO 4217 code to convert money to; default: the app's"},
		{name: "fraud", about: "gross counts everything, net leaves out what fraud rules confirmed", choice: []string{"gross", "net"}},
		{name: "filter", about: "each field:value, field:a,b for any of several, field:!value to leave out; fields are the dimensions of performance except day, week, month", list: true, repeat: true},
	}
}

func with(params []param, more ...param) []param { return append(params, more...) }

func eventParam() param {
	return param{name: "event", about: "one conversion event by name, such as Order Completed; default: the app's main one"}
}

func limitParam() param {
	return param{name: "limit", about: "rows of a page, at most 1000", number: true}
}

func cursorParam() param {
	return param{name: "cursor", about: "next_cursor of the page before"}
}

// tools is what there is to ask.
func tools() []tool {
	return append([]tool{
		{name: "list_apps", title: "Apps", path: "apps", about: "The apps that you may see: id, name, time zone and currency. Call this first."},
		{name: "performance", title: "Performance grid", path: "apps/{app}/reports/performance",
			about: "The main report: any metrics by up to five dimensions, with totals that equal the sum of the rows. Installs go by their one winner; events and revenue by the credit of the model. " +
				"For trends group by day; for \"compared with before\" set compare; for how sure a figure is set models to all: every row then has range with the smallest and largest value of all models and the verdict firm or disputed.",
			params: with(rangeParams(),
				param{name: "group_by", about: "dimensions, outermost first; default media_source", list: true, choice: dimensions()},
				param{name: "metrics", about: "which figures; cpi is cost per install, roas revenue per cost, cvr installs per click", list: true, choice: metrics()},
				eventParam(),
				param{name: "model", about: "credit model of events and revenue; default last_touch", choice: models()},
				param{name: "models", about: "all: every model side by side, with the range between them", choice: []string{"all"}},
				param{name: "compare", about: "the same length of time before, or the same days a year before", choice: []string{"previous", "year"}},
				param{name: "sort", about: "a metric or dimension, with - before it for the largest first, such as -revenue"},
				limitParam(), cursorParam())},
		{name: "compare_models", title: "All models side by side", path: "apps/{app}/reports/performance", fixed: url.Values{"models": {"all"}, "metrics": {"events,revenue"}},
			about:  "What each attribution model credits to each media source or campaign, with the range between the smallest and the largest and the verdict: firm if they are less than 20 % apart, else disputed.",
			params: with(rangeParams(), param{name: "group_by", about: "dimensions; default media_source", list: true, choice: dimensions()}, eventParam(), limitParam())},
		{name: "why", title: "Why a row is what it is", path: "apps/{app}/reports/why",
			about:  "Explains one cell of performance: how often it opens, assists and closes journeys, what every model gives it and by which rule, the five paths that carry it, and three journeys. Name the cell with filter, such as media_source:tiktok and campaign:spring.",
			params: with(rangeParams(), eventParam(), param{name: "model", about: "credit model; default last_touch", choice: models()})},
		{name: "paths", title: "Paths to conversion", path: "apps/{app}/reports/paths",
			about:  "The most frequent sequences of media sources before conversions, and how long paths are in touches and days.",
			params: with(rangeParams(), limitParam())},
	}, deeper()...)
}

// deeper are the tools that explain, and the one on health.
func deeper() []tool {
	return []tool{
		{name: "cohorts", title: "Cohorts", path: "apps/{app}/reports/cohorts",
			about: "Retention, revenue per user, lifetime value or return on ad spend of those who installed in the same day, week or month, by days since. Values of days that are not over for everybody are partial: complete says how many leading days are whole.",
			params: with(rangeParams(),
				param{name: "metric", about: "what each cell shows; ltv and roas are cumulative", choice: []string{"retention", "revenue", "ltv", "roas", "events"}},
				param{name: "cohort", about: "installs of one what make a row", choice: []string{"day", "week", "month"}},
				param{name: "days", about: "last day since install, 0 to 180", number: true},
				param{name: "group_by", about: "up to two dimensions", list: true, choice: dimensions()[:14]}, eventParam())},
		{name: "funnel", title: "Funnel", path: "apps/{app}/reports/funnel",
			about: "How many people went through two to eight events in order within a time, and how many fell out before each.",
			params: with(rangeParams(),
				param{name: "step", about: "names of events in order, two to eight", list: true, repeat: true, required: true},
				param{name: "window", about: "time for all steps, such as 7d or 12h; default 7d"},
				param{name: "group_by", about: "one dimension", choice: dimensions()[:14]})},
		{name: "fraud", title: "Fraud", path: "apps/{app}/reports/fraud",
			about:  "Touches and installs that fraud rules marked, and what a rule would reject if it did.",
			params: with(rangeParams(), param{name: "by", about: "rule and dimensions of performance; default rule", list: true, choice: append([]string{"rule"}, dimensions()...)})},
		{name: "insights", title: "What changed", path: "apps/{app}/reports/insights",
			about:  "At most five sentences made from figures: what rose and fell, what opens journeys and what closes them, spend without traffic.",
			params: with(rangeParams(), eventParam(), param{name: "compare", about: "with what", choice: []string{"previous", "year"}})},
		{name: "list_conversions", title: "Conversions", path: "apps/{app}/conversions",
			about:  "Single conversions, newest first, with the source of the install and to whom the model credits them. Their id opens explain_conversion.",
			params: with(rangeParams(), limitParam(), cursorParam())},
		{name: "explain_conversion", title: "Why one conversion was credited so", path: "apps/{app}/conversions/{id}",
			about:  "The journey of one conversion: every touch with its credit and revenue under every model, every candidate for the install with the reason why it lost, and the version of the settings.",
			params: []param{appParam(), {name: "id", about: "id of the conversion, from list_conversions", required: true}}},
		{name: "attribution_settings", title: "Attribution settings", path: "apps/{app}/attribution",
			about:  "The windows, rules and conversion events in force for an app, which explain most surprises.",
			params: []param{appParam()}},
		{name: "what_if", title: "What a setting would change", path: "apps/{app}/attribution/preview", post: true,
			about: "How many installs and how much credit would change if attribution settings were different; nothing is stored. Take the names of settings from attribution_settings and give only those that change, such as {\"click_window_ms\": 259200000}.",
			params: []param{appParam(),
				{name: "from", about: "first instant, RFC 3339", required: true},
				{name: "to", about: "first instant after the range, RFC 3339", required: true},
				{name: "settings", about: "the settings that would be different", object: true}}},
		{name: "costs", title: "Costs", path: "apps/{app}/costs", about: "The advertising costs that were imported, a row a day and campaign.", params: with(rangeParams(), limitParam(), cursorParam())},
		{name: "health", title: "Health", path: "cluster", about: "Whether the aggregators run, how far they are behind, and whether any result does not match its inputs (mismatched_attributions must be 0)."},
	}
}
