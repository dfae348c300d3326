package document

import (
	"fmt"
	"reflect"
	"testing"
)

// The quick way through an object and the grammar must agree on everything.
func FuzzPairs(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, `{"a":"b","c":{"d":[1,2]},"e":null}`, `{"a":"\n","b":"c"}`, `{"a":01}`, `{"a":1.}`, `{"a":-1,"b":1e5}`, `{"a":1 ,"b":2}`,
		`{"a":"b",}`, `{"a":"b"]`, `{"a"`, `{"a":`, `{"a":"`, `{"a":"b`, `{"a":"b","a":"c"}`, `{"a":12345678901234567890,"b":1.5}`, `[{"a":1},{"b":2}]`,
		`{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":"b"}`, `{"a":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"}`,
		`{"a":"b","c":"d","e":"f","g":"h","i":"j","k":"l","m":"n","o":"p","q":"r"}`, `{"batch":[{"type":"track","event":"Order Completed","messageId":"m1","properties":{"revenue":1.5,"currency":"EUR"},"context":{"device":{"id":"D1"}}}],"sentAt":"x"}`,
	} {
		f.Add([]byte(seed))
	}
	limits := Limits{Depth: 4, Keys: 8, String: 60, Nodes: 300, Shallow: 1}
	f.Fuzz(func(t *testing.T, text []byte) {
		quick, careful := &Document{}, &Document{careful: true}
		for i := range 2 { // a document is used again
			a, b := quick.Parse(text, limits), careful.Parse(text, limits)
			if fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("%q: %v, carefully %v", text, a, b)
			}
			if a != nil {
				return
			}
			if !reflect.DeepEqual(quick.nodes, careful.nodes) || !reflect.DeepEqual(quick.Faults, careful.Faults) || quick.Spaced != careful.Spaced {
				t.Fatalf("%q, time %d: %+v %+v, carefully %+v %+v", text, i, quick.nodes, quick.Faults, careful.nodes, careful.Faults)
			}
		}
	})
}
