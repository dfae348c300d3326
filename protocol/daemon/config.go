package daemon

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// EnvPrefix begins the name of every environment variable that is a setting.
const EnvPrefix = "UNMOGROWP_"

// Validator is implemented by settings that can check themselves. Validate reports all faults at
// once, joined with errors.Join.
type Validator interface {
	Validate() error
}

// ConfigError lists everything that is wrong with the settings. A command that returns one exits
// with code 78.
type ConfigError struct {
	Problems []string // one sentence each: where, what, and how to mend it
}

// Error lists the problems, one a line if there are several.
func (e *ConfigError) Error() string {
	if len(e.Problems) == 1 {
		return "configuration: " + e.Problems[0]
	}
	return "configuration:\n  " + strings.Join(e.Problems, "\n  ")
}

// ConfigTag is the tag of a struct's field that names the setting which the field holds.
const ConfigTag = "config"

// Sources are the places that Load reads settings from, besides the defaults.
type Sources struct {
	File   string                           // a YAML file; empty for none
	Getenv func(name string) (string, bool) // as os.LookupEnv; nil for no environment
	Flags  *pflag.FlagSet                   // parsed, with the flags of AddFlags; nil for none
}

// Load fills config, a pointer to a flat struct that holds the defaults, from the sources: the
// file wins over the defaults, the environment over the file, flags over the environment.
//
// A field with the tag `config:"buffer_dir"` is the key buffer_dir of the file, the variable
// UNMOGROWP_BUFFER_DIR and the flag --buffer-dir; its `help` tag is the flag's description. A
// variable that is set but empty counts as not set. Embedded structs belong to the struct that
// embeds them; a field without the tag is no setting. Types are string, [Secret], int, int64,
// bool, time.Duration, [Size] and []string (comma-separated in variables and flags).
//
// A Secret is never a flag, because every user of a machine sees its command lines; it may come
// from a file named by UNMOGROWP_<NAME>_FILE or --<name>-file, without the trailing line end.
//
// All faults are reported together in a [*ConfigError]: unknown and doubled keys with their
// line, malformed values, and what config's own Validate says.
func Load(config any, src Sources) error {
	l := loader{fields: fieldsOf(config)}
	if src.File != "" {
		l.file(src.File)
	}
	if src.Getenv != nil {
		l.environment(src.Getenv)
	}
	if src.Flags != nil {
		l.flags(src.Flags)
	}
	if v, ok := config.(Validator); ok {
		l.add(v.Validate())
	}
	if len(l.problems) > 0 {
		return &ConfigError{Problems: l.problems}
	}
	return nil
}

// loader gathers the problems that it meets while it fills the fields.
type loader struct {
	fields   []field
	problems []string
}

func (l *loader) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// add takes joined errors apart, so that each is a line of its own.
func (l *loader) add(err error) {
	if err == nil {
		return
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			l.add(e)
		}
		return
	}
	var nested *ConfigError
	if errors.As(err, &nested) {
		l.problems = append(l.problems, nested.Problems...)
		return
	}
	l.problem("%s", err)
}

func (l *loader) environment(getenv func(string) (string, bool)) {
	for _, f := range l.fields {
		value, _ := getenv(f.env())
		if value != "" {
			l.set(f, f.env(), value)
		}
		if !f.secret() {
			continue
		}
		path, _ := getenv(f.env() + "_FILE")
		if path == "" {
			continue
		}
		if value != "" {
			l.problem("%s and %s_FILE are both set; keep one", f.env(), f.env())
			continue
		}
		l.setFromFile(f, f.env()+"_FILE", path)
	}
}

func (l *loader) flags(flags *pflag.FlagSet) {
	for _, f := range l.fields {
		flag := flags.Lookup(f.flag())
		if flag == nil || !flag.Changed {
			continue
		}
		if f.secret() {
			l.setFromFile(f, "--"+f.flag(), flag.Value.String())
			continue
		}
		l.set(f, "--"+f.flag(), flag.Value.String())
	}
}

func (l *loader) set(f field, where, text string) {
	if err := f.set(text); err != nil {
		if f.secret() {
			text = "…"
		}
		l.problem("%s: %q %s", where, text, err)
	}
}

// setFromFile reads a secret from the file that the setting at where names.
func (l *loader) setFromFile(f field, where, path string) {
	raw, err := readBounded(path, maxSecretBytes)
	if err != nil {
		l.problem("%s: %s", where, err)
		return
	}
	text := strings.TrimRight(string(raw), "\r\n")
	if text == "" {
		l.problem("%s: %s is empty", where, path)
		return
	}
	l.set(f, where, text)
}

const (
	maxSecretBytes = 64 << 10
	maxConfigBytes = 1 << 20
)

// readBounded reads a whole regular file or pipe of at most max bytes.
func readBounded(path string, max int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAtMost(f, path, max)
}
