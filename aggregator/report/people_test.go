package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestPeopleAreKeysAndLinks(t *testing.T) {
	p := NewPeople()
	p.Converted(7)
	p.Converted(99) // of nobody who met anything
	p.Link(1, 2)
	p.Link(2, 3)
	p.Link(6, 7)
	for _, touch := range []struct {
		channel string
		keys    []uint64
	}{
		{"mail", []uint64{1}}, {"meta", []uint64{3, 30}}, {"meta", []uint64{30}}, {"mail", []uint64{2}}, // one person over two links and a shared key
		{"mail", []uint64{6, 60}}, {"meta", []uint64{60}}, // converted
		{"mail", nil}, {"mail", []uint64{8}}, // two people
	} {
		if err := p.Touch(touch.channel, touch.keys); err != nil {
			t.Fatal(err)
		}
	}
	journeys, people := p.Lost()
	var lines []string
	for _, j := range journeys {
		lines = append(lines, fmt.Sprintf("%s ×%d", strings.Join(j.Channels, ">"), j.Lost))
	}
	slices.Sort(lines)
	if got := strings.Join(lines, ", "); got != "mail ×2, mail>meta>mail ×1" || people != 3 {
		t.Errorf("%s of %d people", got, people)
	}
}
