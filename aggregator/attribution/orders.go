package attribution

// refund reports whether a conversion gives money back.
func (c *Conversion) refund() bool { return c.Revenue < 0 }

// orderOf returns the order that a conversion is about, nil without one: of those
// before it, of a refund the first with its order id, of an order the first of the same
// name with its order id, if one order is to count once. Only orders count that were
// received by the conversion's deadline.
func orderOf(c *Conversion, orders []*Conversion, s *Settings) *Conversion {
	key := c.orderKey()
	if key == "" || c.Install || !c.refund() && !s.CountOrdersOnce {
		return nil
	}
	deadline := c.deadline(s)
	var first *Conversion
	for _, o := range orders {
		if o.App != c.App || o.Install || o.refund() || o.ID == c.ID || o.orderKey() != key || !onTime(o.Received, o.Marks, deadline) {
			continue
		}
		if !before(o, c) || !c.refund() && o.Name != c.Name {
			continue
		}
		if first == nil || before(o, first) {
			first = o
		}
	}
	return first
}

// byOrder groups the conversions that name an order by its key.
func byOrder(conversions []Conversion) map[string][]*Conversion {
	var groups map[string][]*Conversion
	for i := range conversions {
		if key := conversions[i].orderKey(); key != "" {
			if groups == nil {
				groups = make(map[string][]*Conversion)
			}
			groups[key] = append(groups[key], &conversions[i])
		}
	}
	return groups
}
