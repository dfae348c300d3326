package event

import "strings"

// noCurrency is the code of ISO 4217 for "no currency": the money of an event that names one that
// is not known. It is shown apart and never added to another currency.
const noCurrency = "XXX"

// parseCurrency returns an ISO 4217 code in upper case.
func parseCurrency(s string) (string, bool) {
	if len(s) != 3 {
		return "", false
	}
	var upper [3]byte
	same := true
	for i := range 3 {
		c := s[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
			same = false
		}
		if c < 'A' || c > 'Z' {
			return "", false
		}
		upper[i] = c
	}
	if same {
		return s, true
	}
	return string(upper[:]), true
}

// listed says whether a code is one of ISO 4217, or was one in the years that are imported.
func listed(code string) bool {
	switch code {
	case "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT", "BGN", "BHD", "BIF", "BMD", "BND",
		"BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BYR", "BZD", "CAD", "CDF", "CHE", "CHF", "CHW", "CLF", "CLP", "CNY", "COP",
		"COU", "CRC", "CUC", "CUP", "CVE", "CZK", "DJF", "DKK", "DOP", "DZD", "EEK", "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP",
		"GEL", "GHS", "GIP", "GMD", "GNF", "GTQ", "GYD", "HKD", "HNL", "HRK", "HTG", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK",
		"JMD", "JOD", "JPY", "KES", "KGS", "KHR", "KMF", "KPW", "KRW", "KWD", "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "LTL",
		"LVL", "LYD", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT", "MOP", "MRO", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN",
		"NAD", "NGN", "NIO", "NOK", "NPR", "NZD", "OMR", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "PYG", "QAR", "RON", "RSD", "RUB",
		"RWF", "SAR", "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SIT", "SKK", "SLE", "SLL", "SOS", "SRD", "SSP", "STD", "STN", "SVC",
		"SYP", "SZL", "THB", "TJS", "TMT", "TND", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "UGX", "USD", "USN", "UYI", "UYU", "UYW",
		"UZS", "VEB", "VED", "VEF", "VES", "VND", "VUV", "WST", "XAF", "XAG", "XAU", "XCD", "XCG", "XDR", "XOF", "XPD", "XPF", "XPT",
		"XSU", "XUA", noCurrency, "YER", "ZAR", "ZMK", "ZMW", "ZWG", "ZWL":
		return true
	}
	return false
}

// currencySign is the currency that a sign, or a word, stands for; "" if that is none or one of
// several, such as "kr". A lone dollar is that of the United States, as where no currency is named.
func currencySign(s string) string {
	s = strings.ToLower(strings.Trim(s, ". \u00a0\u202f"))
	switch s {
	case "$", "us$", "usd$", "$us", "dollar", "dollars", "us dollar", "us dollars":
		return "USD"
	case "€", "euro", "euros":
		return "EUR"
	case "£", "pound", "pounds", "gbp£":
		return "GBP"
	case "¥", "jp¥", "円", "yen":
		return "JPY"
	case "cn¥", "rmb", "元", "yuan":
		return "CNY"
	case "₹", "rs", "rupee", "rupees":
		return "INR"
	case "₽", "руб", "р":
		return "RUB"
	case "₩", "won":
		return "KRW"
	case "₺", "tl":
		return "TRY"
	case "₪":
		return "ILS"
	case "₫":
		return "VND"
	case "₴":
		return "UAH"
	case "₱":
		return "PHP"
	case "฿":
		return "THB"
	case "₦":
		return "NGN"
	case "₸":
		return "KZT"
	case "₡":
		return "CRC"
	case "₲":
		return "PYG"
	case "₵":
		return "GHS"
	case "₼":
		return "AZN"
	case "₾":
		return "GEL"
	}
	return currencyWord(s)
}

// currencyWord is the currency of an abbreviation.
func currencyWord(s string) string {
	switch s {
	case "r$":
		return "BRL"
	case "a$", "au$":
		return "AUD"
	case "c$", "ca$", "can$":
		return "CAD"
	case "nz$":
		return "NZD"
	case "hk$":
		return "HKD"
	case "s$", "sg$":
		return "SGD"
	case "mx$", "mex$":
		return "MXN"
	case "nt$":
		return "TWD"
	case "zł", "zl":
		return "PLN"
	case "kč", "kc":
		return "CZK"
	case "ft":
		return "HUF"
	case "lei":
		return "RON"
	case "лв":
		return "BGN"
	case "fr", "sfr":
		return "CHF"
	case "rp":
		return "IDR"
	case "rm":
		return "MYR"
	}
	return ""
}
