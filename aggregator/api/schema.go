package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/unmogrowp/unmogrowp/aggregator/access"
	"github.com/unmogrowp/unmogrowp/protocol"
)

// schemas makes JSON Schemas of Go types. Named structs become components and are referred to.
type schemas struct {
	named object
	types map[string]reflect.Type // by name, to keep two types of one name apart
}

func newSchemas() *schemas { return &schemas{named: object{}, types: map[string]reflect.Type{}} }

// of returns the schema of an example's type.
func (s *schemas) of(example any) object { return s.schema(reflect.TypeOf(example)) }

func (s *schemas) schema(t reflect.Type) object {
	if known, ok := special(t); ok {
		return known
	}
	if shaped, ok := reflect.Zero(t).Interface().(interface{ Shape() any }); ok && t.Kind() == reflect.Struct {
		if s.named[t.Name()] == nil {
			s.named[t.Name()] = s.structure(reflect.TypeOf(shaped.Shape()))
		}
		return object{"$ref": "#/components/schemas/" + t.Name()}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return nullable(s.schema(t.Elem()))
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return object{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return object{"type": "integer", "minimum": 0}
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": s.schema(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": s.schema(t.Elem())}
	case reflect.Struct:
		return s.component(t)
	}
	return object{} // anything
}

// special are types whose JSON is not that of their kind.
func special(t reflect.Type) (object, bool) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return object{"type": "string", "format": "date-time"}, true
	case reflect.TypeFor[json.RawMessage]():
		return object{}, true
	case reflect.TypeFor[access.Role]():
		return roleName(), true
	case reflect.TypeFor[access.Permission]():
		return object{"type": "string", "enum": access.Permissions()}, true
	case reflect.TypeFor[protocol.KeyKind]():
		return object{"type": "string", "enum": []protocol.KeyKind{protocol.KeyClient, protocol.KeyServer}}, true
	case reflect.TypeFor[access.AppList]():
		return appList(), true
	case reflect.TypeFor[access.Assignment]():
		return object{
			"type": "object", "required": []string{"role", "apps"}, "additionalProperties": false,
			"properties": object{
				"role": roleName(), "apps": appList(), "media_sources": texts(), "countries": texts(),
			},
		}, true
	}
	return nil, false
}

func roleName() object {
	return object{"type": "string", "pattern": "^[a-z][a-z0-9-]{1,39}$", "description": fmt.Sprintf("One of %v, or a role that was made", access.Roles())}
}

func texts() object { return object{"type": "array", "items": object{"type": "string"}} }

func appList() object { return object{"oneOf": []object{{"const": "*"}, texts()}} }

// nullable lets a schema be null too.
func nullable(schema object) object {
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []string{kind, "null"}
		return schema
	}
	return object{"oneOf": []object{schema, {"type": "null"}}}
}

// component returns a reference to the schema of a struct, or the schema of one that has no plain name.
func (s *schemas) component(t reflect.Type) object {
	name := t.Name()
	if name == "" || strings.Contains(name, "[") {
		return s.structure(t)
	}
	name = strings.ToUpper(name[:1]) + name[1:]
	if other := s.types[name]; other != nil && other != t {
		parts := strings.Split(t.PkgPath(), "/")
		pkg := parts[len(parts)-1]
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	if s.types[name] == nil {
		s.types[name] = t
		s.named[name] = s.structure(t)
	}
	return object{"$ref": "#/components/schemas/" + name}
}

func (s *schemas) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	s.fields(t, properties, &required)
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}

// fields adds the fields of a struct, those of embedded structs among them.
func (s *schemas) fields(t reflect.Type, properties object, required *[]string) {
	for field := range t.Fields() {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && name == "":
			s.fields(field.Type, properties, required)
			continue
		case !field.IsExported() || name == "-":
			continue
		case name == "":
			name = field.Name
		}
		properties[name] = s.schema(field.Type)
		if !strings.Contains(options, "omitempty") {
			*required = append(*required, name)
		}
	}
}
