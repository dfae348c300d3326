package protocol

import (
	"reflect"
	"strings"
	"testing"
)

// TestNoTwoFieldsShareAName holds for every message: msgpack would write both under one key and read
// the first back as the last.
func TestNoTwoFieldsShareAName(t *testing.T) {
	for _, message := range []any{Hello{}, Welcome{}, Heartbeat{}, Settings{}, App{}, Key{}, Member{}, Goodbye{}, Renew{}, Reject{}, Position{}} {
		kind := reflect.TypeOf(message)
		names := make(map[string]string)
		for i := range kind.NumField() {
			field := kind.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("msgpack"), ",")
			if other, taken := names[name]; taken && name != "" && name != "-" {
				t.Errorf("%s: %s and %s are both %q", kind.Name(), other, field.Name, name)
			}
			names[name] = field.Name
		}
	}
}
