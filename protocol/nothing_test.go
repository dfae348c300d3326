package protocol

import "testing"

func TestIDsThatSayNothing(t *testing.T) {
	for _, id := range []string{"", " ", "null", "NULL", `"null"`, "'null'", " \"undefined\" ", "undefined", "0", "00000", "00000000-0000-0000-0000-000000000000",
		"not_authenticated", "Not Authenticated", "distinct_id", "distinctid", "id", "email", "[object Object]", "guest", "Anonymous", "(not set)", "NaN", "N/A", "-1", "true",
		"%%ADVERTISING_IDENTIFIER_PLAIN%%", "[IDFA]", "%GAID%", "{gaid}", "{{user_id}}", "${USER_ID}", "__IDFA__", "<device_id>", "$$GAID$$", "#idfa#", "@gaid@", "user-{id}",
		"9774d56d682e549c", "02:00:00:00:00:00", "{{ customer.email_address_of_the_person }}", `"0"`, "``"} {
		if !SaysNothing(id) {
			t.Errorf("%q says somebody", id)
		}
	}
	for _, id := range []string{"u", "user-1", "42", "10", "7a3cbea0-bdf5-11e4-8dfc-aa07a5b093db", "0192f0a4-6f1e-7cc3-98c4-dc0c0c07398f", "nullarbor", "emails@example.com", "idris",
		"anonymous-7", "guest123", "true-north", "alice@example.com", "[1]2", "%41bc", "__ga", "a_b__", "O'Neil", "x-1", "100", "test-1"} {
		if SaysNothing(id) {
			t.Errorf("%q says nobody", id)
		}
	}
}

func TestMacros(t *testing.T) {
	for _, s := range []string{"50%off", "footer%", "%20", "a[1]", "[a]b", "summer_sale", "_x_", "$5$ off$", "100%", "#1", "2 < 3 > 1", "{", "}{", "test", "1"} {
		if Macro(s) {
			t.Errorf("%q is a macro", s)
		}
	}
}

func TestEveryNetworkParameterIsKnown(t *testing.T) {
	for _, name := range NetworkParameters() {
		if NetworkOf(name) == "" {
			t.Errorf("%s belongs to no network", name)
		}
	}
	if NetworkOf("GCLID") != "google" || NetworkOf("clid") != "" {
		t.Error("a name is known in any case, and no other")
	}
}

func BenchmarkSaysNothing(b *testing.B) {
	for b.Loop() {
		if SaysNothing("user-1234") || SaysNothing("52d2fd55-5ce3-43dc-bea0-5f9d9f9c0001") || SaysNothing("D12") {
			b.Fatal()
		}
	}
}
