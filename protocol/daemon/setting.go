package daemon

import (
	"fmt"
	"log/slog"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Secret is a setting that must not be seen: it prints and marshals as "[hidden]". Convert it to
// a string where it is used.
type Secret string

const hidden = "[hidden]"

// String hides the secret.
func (s Secret) String() string { return hidden }

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return hidden }

// LogValue hides the secret from logs.
func (s Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret from JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Size is a number of bytes, written as "900KiB", "256MiB", "10GB" or "4096".
type Size int64

// ParseSize reads a size. Units are B, KB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB
// (powers of 1024).
func ParseSize(text string) (Size, error) {
	digits := strings.TrimRight(text, "BKMGTi ")
	unit := strings.TrimSpace(text[len(digits):])
	n, err := strconv.ParseInt(digits, 10, 64)
	factor, known := sizeUnit(unit)
	if err != nil || !known || n < 0 || n > (1<<62)/factor {
		return 0, fmt.Errorf("is not a size; write a whole number and KiB, MiB or GiB, as 256MiB")
	}
	return Size(n * factor), nil
}

func sizeUnit(unit string) (factor int64, known bool) {
	if unit == "" || unit == "B" {
		return 1, true
	}
	power := strings.IndexByte("KMGT", unit[0]) + 1
	base := int64(1000)
	switch unit[1:] {
	case "B":
	case "iB":
		base = 1024
	default:
		return 1, false
	}
	factor = 1
	for range power {
		factor *= base
	}
	return factor, power > 0
}

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for s != 0 && s%1024 == 0 && i < len(units)-1 {
		s /= 1024
		i++
	}
	return strconv.FormatInt(int64(s), 10) + units[i]
}

// Setting describes one setting, for help texts and documentation.
type Setting struct {
	Name    string // the key of the file
	Env     string // the environment variable
	Flag    string // the flag, without dashes
	Type    string // the form of a value
	Default string // the value that the struct holds
	Help    string
	Secret  bool
}

// Describe lists the settings of config, a pointer to a struct as for [Load], in its order.
func Describe(config any) []Setting {
	var all []Setting
	for _, f := range fieldsOf(config) {
		all = append(all, Setting{Name: f.name, Env: f.env(), Flag: f.flag(), Type: f.kind(),
			Default: f.String(), Help: f.help, Secret: f.secret()})
	}
	return all
}

// AddFlags declares a flag for each setting of config. The flags hold their values until
// [Load] reads them; config itself is not touched.
func AddFlags(flags *pflag.FlagSet, config any) {
	for _, f := range fieldsOf(config) {
		scratch := f
		scratch.value = reflect.New(f.value.Type()).Elem()
		scratch.value.Set(f.value)
		flag := &pflag.Flag{Name: f.flag(), Usage: f.help, Value: &flagValue{field: scratch}, DefValue: f.String()}
		if f.secret() {
			flag.Value, flag.DefValue = &flagValue{field: field{value: reflect.ValueOf(new(string)).Elem()}}, ""
			flag.Usage = "file that holds: " + f.help
		}
		if f.value.Kind() == reflect.Bool {
			flag.NoOptDefVal = "true"
		}
		flags.AddFlag(flag)
	}
}

// flagValue is a pflag.Value that checks a value when it is given and keeps it.
type flagValue struct {
	field field
	given bool
}

// Set parses the text; a list given twice grows.
func (v *flagValue) Set(text string) error {
	if v.given && v.field.list() {
		text = v.field.String() + "," + text
	}
	v.given = true
	if err := v.field.set(text); err != nil {
		return fmt.Errorf("%q %w", text, err)
	}
	return nil
}

func (v *flagValue) String() string { return v.field.String() }
func (v *flagValue) Type() string   { return v.field.kind() }

// field is one setting: a settable field of the struct and its tags.
type field struct {
	name  string
	help  string
	value reflect.Value
}

// fieldsOf lists the settings of a struct. Anything that is not a pointer to a struct of known
// field types is a mistake of the program, found by the first run of any test.
func fieldsOf(config any) []field {
	v := reflect.ValueOf(config)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		panic(fmt.Sprintf("daemon: settings are %T, want a pointer to a struct", config))
	}
	return structFields(v.Elem())
}

func structFields(v reflect.Value) []field {
	var fields []field
	for i := range v.NumField() {
		t := v.Type().Field(i)
		if t.Anonymous && t.Type.Kind() == reflect.Struct {
			fields = append(fields, structFields(v.Field(i))...)
			continue
		}
		name, tagged := t.Tag.Lookup(ConfigTag)
		if !tagged {
			continue
		}
		f := field{name: name, help: t.Tag.Get("help"), value: v.Field(i)}
		if f.kind() == "" || !f.value.CanSet() {
			panic(fmt.Sprintf("daemon: setting %s: type %s is not supported or the field not exported", name, t.Type))
		}
		fields = append(fields, f)
	}
	return fields
}

func (f field) env() string  { return EnvPrefix + strings.ToUpper(f.name) }
func (f field) secret() bool { return f.value.Type() == reflect.TypeFor[Secret]() }
func (f field) list() bool   { return f.value.Kind() == reflect.Slice }

func (f field) flag() string {
	name := strings.ReplaceAll(f.name, "_", "-")
	if f.secret() {
		name += "-file"
	}
	return name
}

// kind names the type of the setting; empty if it is none that a setting can have.
func (f field) kind() string {
	switch f.value.Interface().(type) {
	case string, Secret:
		return "string"
	case int, int64:
		return "int"
	case bool:
		return "bool"
	case time.Duration:
		return "duration"
	case Size:
		return "size"
	case []string:
		return "list"
	}
	return ""
}

// set parses text into the field. Its errors continue a sentence that begins with the text.
func (f field) set(text string) error {
	switch f.value.Interface().(type) {
	case string, Secret:
		f.value.SetString(text)
	case int, int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || f.value.OverflowInt(n) {
			return fmt.Errorf("is not a whole number")
		}
		f.value.SetInt(n)
	case bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("is neither true nor false")
		}
		f.value.SetBool(b)
	case time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("is not a duration; write a number and ms, s, m or h, as 250ms")
		}
		f.value.SetInt(int64(d))
	case Size:
		n, err := ParseSize(text)
		if err != nil {
			return err
		}
		f.value.SetInt(int64(n))
	case []string:
		f.setList(strings.Split(text, ","))
	}
	return nil
}

// setList keeps the items that are not blank.
func (f field) setList(items []string) {
	var kept []string
	for _, item := range items {
		if item = strings.TrimSpace(item); item != "" {
			kept = append(kept, item)
		}
	}
	f.value.Set(reflect.ValueOf(kept))
}

// String writes the value as set reads it; a secret as hidden, or empty if there is none.
func (f field) String() string {
	if !f.value.IsValid() {
		return ""
	}
	switch v := f.value.Interface().(type) {
	case []string:
		return strings.Join(v, ",")
	case Secret:
		if v == "" {
			return ""
		}
	}
	return fmt.Sprint(f.value.Interface())
}
