package traffic

import (
	"fmt"
	"strings"
	"time"
)

// product is one thing that the shop sells.
type product struct {
	id, name, category string
	price              float64 // in euros
}

func products() []product {
	return []product{
		{"boots-alta", "Alta GTX Boots", "Footwear", 219.95},
		{"shoes-ridge", "Ridge Trail Shoes", "Footwear", 129.95},
		{"tent-duo", "Duo 2 Tent", "Tents", 349},
		{"tent-family", "Family Dome 5", "Tents", 589},
		{"bag-down", "Down 600 Sleeping Bag", "Sleeping", 279.95},
		{"mat-air", "Air Light Mat", "Sleeping", 119.95},
		{"pack-45", "Trek 45 Backpack", "Packs", 169.95},
		{"pack-18", "Day 18 Backpack", "Packs", 74.95},
		{"shell-pro", "Storm Pro Shell", "Clothing", 259.95},
		{"fleece-lite", "Lite Fleece", "Clothing", 69.95},
		{"socks-merino", "Merino Socks 2-Pack", "Clothing", 24.95},
		{"stove-gas", "Pocket Gas Stove", "Cooking", 44.95},
		{"bottle-steel", "Steel Bottle 0.7 l", "Cooking", 29.95},
		{"lamp-head", "Beam 400 Head Torch", "Accessories", 54.95},
		{"map-alps", "Hut Map of the Alps", "Accessories", 14.95},
	}
}

// someProduct is a cheap one more often than a dear one.
func (p *person) someProduct() *product {
	a, b := &p.g.products[p.random.IntN(len(p.g.products))], &p.g.products[p.random.IntN(len(p.g.products))]
	if a.price > b.price && p.chance(0.7) {
		return b
	}
	return a
}

// price is a product's in the person's currency.
func (p *person) price(item *product) int64 { return cents(item.price * p.country.rate) }

func (p *person) priced(item *product) object {
	return object{"product_id": item.id, "name": item.name, "category": item.category,
		"price": amount(p.price(item)), "currency": p.country.currency}
}

// order fills the cart, checks out and buys; it returns when that is done.
func (p *person) order(on *device, at time.Time) time.Time {
	id := strings.ToUpper(strings.ReplaceAll(p.uuid(), "-", "")[:12])
	count := 1 + p.random.IntN(3)*p.random.IntN(2)
	var items []object
	total := int64(0)
	for range count {
		item := p.someProduct()
		quantity := int64(1 + p.random.IntN(5)/4)
		line := p.priced(item)
		line["quantity"] = quantity
		delete(line, "currency")
		items = append(items, line)
		total += quantity * p.price(item)
		at = p.soon(at)
		p.send(call{kind: "track", name: "Product Added", path: "/p/" + item.id, at: at, on: on, properties: line})
	}
	at = p.soon(at)
	p.send(call{kind: "track", name: "Checkout Started", path: "/checkout", at: at, on: on,
		properties: object{"order_id": id, "value": amount(total), "currency": p.country.currency}})
	at = p.soon(p.soon(at))
	p.complete(on, at, id, object{"products": items}, total)
	return at
}

// complete sends the order itself: from the shop's server when the person is logged in, which
// is what makes its revenue trusted, and from the device otherwise.
func (p *person) complete(on *device, at time.Time, id string, properties object, total int64) {
	discount := int64(0)
	if p.source != nil && p.source.name == "Coupons" {
		discount = total / 10
		properties["coupon"] = "SAVE10"
	}
	shipping := cents(4.9 * p.country.rate)
	if total > 9000 {
		shipping = 0
	}
	revenue := total - discount
	properties["order_id"] = id
	properties["revenue"] = amount(revenue)
	properties["total"] = amount(revenue + shipping)
	properties["shipping"] = amount(shipping)
	properties["discount"] = amount(discount)
	properties["currency"] = p.country.currency
	order := call{kind: "track", name: "Order Completed", at: at, on: on, path: "/checkout/done", properties: properties}
	if p.user != "" && p.chance(0.85) {
		order.on = nil
	}
	if !p.send(order) {
		return
	}
	p.g.summary.Orders++
	p.g.summary.Revenue[p.country.currency] += revenue * 10_000
	if p.user == "" || !p.chance(0.05) {
		return
	}
	p.send(call{kind: "track", name: "Order Refunded", at: p.later(at, 5*day), properties: object{
		"order_id": id, "total": amount(-revenue), "currency": p.country.currency, "reason": fmt.Sprintf("return of %s", id)}})
}
