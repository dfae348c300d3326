package protocol

import "strings"

// NetworkOf is the ad network that adds a parameter of this name to the addresses of landing
// pages, "" if none does: the one table of networks' click ids. The case of a name does not count.
func NetworkOf(parameter string) string {
	for i := range len(parameter) {
		if c := parameter[i]; c >= 'A' && c <= 'Z' {
			parameter = strings.ToLower(parameter)
			break
		}
	}
	switch parameter {
	case "gclid", "gbraid", "wbraid", "dclid":
		return "google"
	case "fbclid":
		return "facebook"
	case "ttclid":
		return "tiktok"
	case "msclkid":
		return "microsoft"
	case "twclid":
		return "twitter"
	case "li_fat_id":
		return "linkedin"
	case "sccid":
		return "snapchat"
	case "epik":
		return "pinterest"
	case "rdt_cid":
		return "reddit"
	case "yclid", "ysclid":
		return "yandex"
	case "qclid":
		return "quora"
	case "obclid", "dicbo":
		return "outbrain"
	case "tblci":
		return "taboola"
	case "vmcid":
		return "yahoo"
	case "ndclid":
		return "nextdoor"
	case "irclickid":
		return "impact"
	case "cjevent":
		return "cj"
	case "awc", "zanpid":
		return "awin"
	case "ransiteid":
		return "rakuten"
	case "tduid":
		return "tradedoubler"
	}
	return ""
}

// NetworkParameters are the names that NetworkOf knows, for those who look for them in a text.
func NetworkParameters() []string {
	return []string{"gclid", "gbraid", "wbraid", "dclid", "fbclid", "ttclid", "msclkid", "twclid", "li_fat_id", "ScCid", "epik", "rdt_cid",
		"yclid", "ysclid", "qclid", "obclid", "dicbo", "tblci", "vmcid", "ndclid", "irclickid", "cjevent", "awc", "zanpid", "ranSiteID", "tduid"}
}
