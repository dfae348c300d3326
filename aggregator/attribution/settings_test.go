package attribution

import (
	"encoding/json"
	"testing"
)

func TestDefaultSettingsAreValid(t *testing.T) {
	s := Default()
	if faults := s.Validate(); len(faults) != 0 {
		t.Errorf("faults %v", faults)
	}
}

func TestValidateTellsEveryFault(t *testing.T) {
	s := Settings{Overrides: []Override{{}, {LinkID: "l", ClickWindow: 1, ImpressionWindow: 1}}, ConversionEvents: []string{""}, Lateness: -1}
	if faults := s.Validate(); len(faults) != 26 {
		for _, f := range faults {
			t.Log(f)
		}
		t.Errorf("%d faults", len(faults))
	}
}

// TestMissingFieldsKnowsEverySetting takes each field of the default settings away in turn.
func TestMissingFieldsKnowsEverySetting(t *testing.T) {
	text, err := json.Marshal(Default())
	if err != nil {
		t.Fatal(err)
	}
	if missing, err := MissingFields(text); err != nil || len(missing) != 0 {
		t.Errorf("complete settings lack %v, %v", missing, err)
	}
	var whole, fraud map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	fraud = whole["fraud"].(map[string]any)
	tried := 0
	for _, of := range []struct {
		prefix string
		fields map[string]any
	}{{"", whole}, {"fraud.", fraud}} {
		for name, value := range of.fields {
			if name == "fraud" {
				continue
			}
			delete(of.fields, name)
			short, err := json.Marshal(whole)
			if err != nil {
				t.Fatal(err)
			}
			if missing, err := MissingFields(short); err != nil || len(missing) != 1 || missing[0] != of.prefix+name {
				t.Errorf("without %s%s: %v, %v", of.prefix, name, missing, err)
			}
			of.fields[name] = value
			tried++
		}
	}
	if names := settingNames(); tried != len(names) {
		t.Errorf("%d fields tried, %d are known: %v", tried, len(names), names)
	}
	if _, err := MissingFields([]byte(`[]`)); err == nil {
		t.Error("a list is settings")
	}
}

func TestSettingsSurviveJSON(t *testing.T) {
	s := Default()
	s.Overrides = []Override{{LinkID: "l", ClickWindow: Day}}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Settings
	if err := json.Unmarshal(b, &back); err != nil || back.Overrides[0] != s.Overrides[0] || back.HalfLife != s.HalfLife {
		t.Errorf("%s became %+v, %v", b, back, err)
	}
}

func TestVersionOrder(t *testing.T) {
	row := func(generation uint64, repair uint8, inputs uint32, digest uint64) uint64 {
		return (&Result{Generation: generation, Inputs: inputs, InputDigest: digest << 48}).Version(repair)
	}
	ordered := []uint64{row(1, 0, 0, 9), row(1, 0, 1, 0), row(1, 0, 1, 1), row(1, 0, 70_000, 0), row(1, 1, 0, 0), row(2, 0, 0, 0)}
	for i := range ordered[1:] {
		if ordered[i] >= ordered[i+1] {
			t.Errorf("version %d (%x) is not below the next (%x)", i, ordered[i], ordered[i+1])
		}
	}
	if Repair(row(3, 7, 5, 1)) != 7 {
		t.Error("repair is lost")
	}
}

func TestModelsAndKindsKeepTheirNames(t *testing.T) {
	for i, name := range Models() {
		if m, ok := ParseModel(name); !ok || m != Model(i) || m.String() != name {
			t.Errorf("model %q is %d, %t", name, m, ok)
		}
	}
	if _, ok := ParseModel("markov"); ok || ModelCount.String() != "unknown" {
		t.Error("an unknown model has a name")
	}
	for _, k := range []Kind{Click, Impression, Visit} {
		if ParseKind(k.String()) != k {
			t.Errorf("kind %q is lost", k)
		}
	}
}
