package tidy

// today are the exceptions that stand. Lower a figure when you have made it smaller; add none.
func today() allowances {
	return allowances{
		methods: map[string]int{"agent/buffer.Queue": 60},
		lines: map[string]int{
			"agent/buffer":           2,
			"agent/node":             3,
			"aggregator/accounts":    1,
			"aggregator/api":         12,
			"aggregator/attribution": 2,
			"aggregator/mcp":         3,
			"aggregator/node":        20,
			"aggregator/oidc":        1,
			"aggregator/people":      2,
			"aggregator/postback":    6,
			"aggregator/postgres":    3,
			"aggregator/recompute":   1,
			"aggregator/reconcile":   2,
			"aggregator/report":      9,
			"aggregator/vitals":      7,
			"aggregator/warehouse":   3,
			"benchmarks":             12,
			"deploy/attack":          1,
			"deploy/children":        1,
			"deploy/powercut":        1,
			"deploy/standalone":      1,
			"deploy/system":          1,
			"protocol/daemon":        1,
		},
	}
}
