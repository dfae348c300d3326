package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// MaxRates bounds the rates of one file.
const MaxRates = 1_000_000

// ParseRates reads a file of exchange rates in any of three formats: lines
// "day,from,to,rate" under a header that says so; the European Central Bank's
// history, a column for each currency ("Date,USD,JPY,…", N/A where there is none);
// and its XML. The Bank's rates are from the euro.
func ParseRates(text []byte) ([]Rate, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if bytes.HasPrefix(text, []byte("<")) {
		return parseRatesXML(text)
	}
	lines := csv.NewReader(bytes.NewReader(text))
	lines.FieldsPerRecord, lines.TrimLeadingSpace, lines.ReuseRecord = -1, true, false
	header, err := lines.Read()
	if err != nil {
		return nil, invalid("the file of rates has no header: %v", err)
	}
	for i := range header {
		header[i] = strings.TrimSpace(header[i])
	}
	switch {
	case strings.EqualFold(strings.Join(header, ","), "day,from,to,rate"):
		return parseRateLines(lines, func(record []string) ([]Rate, bool) {
			if len(record) != 4 {
				return nil, false
			}
			return []Rate{{record[0], record[1], record[2], record[3]}}, true
		})
	case len(header) > 1 && strings.EqualFold(header[0], "date"):
		return parseRateLines(lines, func(record []string) ([]Rate, bool) { return euroRates(header, record) })
	}
	return nil, invalid(`the first line of the file of rates is neither "day,from,to,rate" nor "Date,USD,…"`)
}

func parseRateLines(lines *csv.Reader, read func([]string) ([]Rate, bool)) ([]Rate, error) {
	var list []Rate
	for {
		record, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, invalid("the file of rates cannot be read: %v", err)
		}
		for i := range record {
			record[i] = strings.TrimSpace(record[i])
		}
		rates, ok := read(record)
		line, _ := lines.FieldPos(0)
		if !ok {
			return nil, invalid("line %d of the file of rates has %d fields, which is not what its first line says", line, len(record))
		}
		for i := range rates {
			if _, _, err := rates[i].parse(); err != nil {
				return nil, invalid("line %d of the file of rates: %v", line, err)
			}
		}
		if list = append(list, rates...); len(list) > MaxRates {
			return nil, invalid("the file has more than %d rates: give it in parts", MaxRates)
		}
	}
}

// euroRates reads a line of the Bank's history, whose lines end with a comma.
func euroRates(header, record []string) ([]Rate, bool) {
	if len(record) > len(header)+1 {
		return nil, false
	}
	var list []Rate
	for i := 1; i < min(len(header), len(record)); i++ {
		if header[i] != "" && record[i] != "" && record[i] != "N/A" {
			list = append(list, Rate{record[0], "EUR", header[i], record[i]})
		}
	}
	return list, true
}

// parseRatesXML reads <Cube time="2026-01-30"><Cube currency="USD" rate="1.08"/>….
func parseRatesXML(text []byte) ([]Rate, error) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	var list []Rate
	day := ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, invalid("the XML of rates cannot be read: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Cube" {
			continue
		}
		r := Rate{Day: day, From: "EUR"}
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "time":
				day = a.Value
			case "currency":
				r.To = a.Value
			case "rate":
				r.Rate = a.Value
			}
		}
		if r.To == "" {
			continue
		}
		if _, _, err := r.parse(); err != nil {
			return nil, err
		}
		if list = append(list, r); len(list) > MaxRates {
			return nil, invalid("the file has more than %d rates: give it in parts", MaxRates)
		}
	}
	if len(list) == 0 {
		return nil, invalid("the XML holds no rates: it is not that of the European Central Bank")
	}
	return list, nil
}
