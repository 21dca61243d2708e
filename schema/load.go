package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// LoadError is one thing wrong with a schema or resource type file.
type LoadError struct {
	File    string // "schemas/" or "resourceTypes/" and the name of the file
	Pointer string // JSON pointer (RFC 6901) of the value; "" for the file
	Detail  string // a sentence that says what is wrong and what is allowed
}

// Error implements error.
func (f LoadError) Error() string {
	if f.Pointer == "" {
		return f.File + ": " + f.Detail
	}
	return f.File + " at " + f.Pointer + ": " + f.Detail
}

// LoadErrors is everything wrong with the files of both folders.
type LoadErrors []LoadError

// Error implements error, one fault a line.
func (fs LoadErrors) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// shippedTypes is the number of built-in resource types.
const shippedTypes = 2

// maxFile bounds a schema file; real ones have a few kilobytes.
const maxFile = 1 << 20

// loader gathers schemas and resource types, and the faults of their files.
type loader struct {
	schemas []*loadedSchema
	byURN   map[string]*loadedSchema // by lower-cased URN
	types   []*ResourceType
	byName  map[string]*ResourceType // by lower-cased name
	byPath  map[string]*ResourceType // by lower-cased endpoint
	faults  LoadErrors
	shipped int // number of built-in schemas
}

// loadedSchema remembers where the names of resource types in referenceTypes
// stand, since they can be checked only when all types are known.
type loadedSchema struct {
	*Schema
	references []reference
}

type reference struct {
	at   place
	name string
}

// place is a value in a file.
type place struct {
	file    string
	pointer string
}

func (p place) key(name string) place {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return place{p.file, p.pointer + "/" + name}
}

func (p place) item(i int) place { return place{p.file, p.pointer + "/" + strconv.Itoa(i)} }

func newLoader() *loader {
	return &loader{
		byURN:  map[string]*loadedSchema{},
		byName: map[string]*ResourceType{},
		byPath: map[string]*ResourceType{},
	}
}

func (l *loader) fault(at place, format string, args ...any) {
	l.faults = append(l.faults, LoadError{File: at.file, Pointer: at.pointer, Detail: fmt.Sprintf(format, args...)})
}

// builtin enters the schemas and types that Sallyport ships.
func (l *loader) builtin() {
	user, group, enterprise := userSchema(), groupSchema(), enterpriseSchema()
	for _, s := range []*Schema{user, group, enterprise} {
		l.addSchema(&loadedSchema{Schema: s})
	}
	shipped, err := fs.Sub(builtinFiles, "builtin")
	if err != nil {
		panic("schema: " + err.Error()) // the folder is part of the binary
	}
	l.schemaFolder(shipped)
	l.shipped = len(l.schemas)
	users := &ResourceType{
		ID: "User", Name: "User", Endpoint: "/Users", Description: "User Account", Schema: user,
		Extensions: []Extension{{Schema: enterprise}},
	}
	if second := l.byURN[strings.ToLower(SecondFactorURN)]; second != nil {
		users.Extensions = append(users.Extensions, Extension{Schema: second.Schema})
	}
	l.addType(users)
	l.addType(&ResourceType{ID: "Group", Name: "Group", Endpoint: "/Groups", Description: "Group", Schema: group})
}

func (l *loader) addSchema(s *loadedSchema) {
	l.schemas = append(l.schemas, s)
	l.byURN[strings.ToLower(s.ID)] = s
}

func (l *loader) addType(rt *ResourceType) {
	l.types = append(l.types, rt)
	l.byName[strings.ToLower(rt.Name)] = rt
	l.byPath[strings.ToLower(rt.Endpoint)] = rt
}

// folder reads every .json file of a folder in the order of names and hands
// each definition in it to take. The folder is called label in faults.
func (l *loader) folder(label string, dir fs.FS, take func(at place, o Object)) {
	if dir == nil {
		return
	}
	entries, err := fs.ReadDir(dir, ".")
	if err != nil {
		l.fault(place{file: label}, "The folder cannot be read: %v.", err)
		return
	}
	for _, e := range entries {
		if e.IsDir() || !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		at := place{file: label + "/" + e.Name()}
		data, err := fs.ReadFile(dir, e.Name())
		switch {
		case err != nil:
			l.fault(at, "The file cannot be read: %v.", err)
		case len(data) > maxFile:
			l.fault(at, "The file is larger than %d bytes.", maxFile)
		default:
			l.definitions(at, data, take)
		}
	}
}

// definitions takes one definition, or all of a ListResponse as /Schemas and
// /ResourceTypes return it.
func (l *loader) definitions(at place, data []byte, take func(at place, o Object)) {
	o, err := Decode(data, Limits{})
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			l.fault(at, "%s", strings.Replace(e.Detail, "The body", "The file", 1))
		}
		return
	}
	list, ok := o["Resources"].([]any)
	if !ok {
		take(at, o)
		return
	}
	for i, e := range list {
		at := at.key("Resources").item(i)
		if o, ok := e.(Object); ok {
			take(at, o)
		} else {
			l.fault(at, "A definition must be a JSON object.")
		}
	}
}

// members reads the members of one JSON object by name and reports those that
// are unknown or of the wrong type.
type members struct {
	l    *loader
	at   place
	o    Object
	seen map[string]bool
}

func (l *loader) members(at place, o Object) *members {
	return &members{l: l, at: at, o: o, seen: map[string]bool{}}
}

func (m *members) get(name string) (any, bool) {
	m.seen[name] = true
	v, ok := m.o[name]
	return v, ok && v != nil
}

func (m *members) text(name string) string {
	v, ok := m.get(name)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		m.l.fault(m.at.key(name), "%s must be a string.", name)
	}
	return s
}

func (m *members) required(name string) string {
	s := m.text(name)
	if v, ok := m.get(name); !ok || v == "" {
		m.l.fault(m.at.key(name), "%s is required.", name)
	}
	return s
}

func (m *members) flag(name string) bool {
	v, ok := m.get(name)
	if !ok {
		return false
	}
	b, ok := v.(bool)
	if !ok {
		m.l.fault(m.at.key(name), "%s must be true or false.", name)
	}
	return b
}

func (m *members) list(name string) []any {
	v, ok := m.get(name)
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		m.l.fault(m.at.key(name), "%s must be an array.", name)
	}
	return list
}

func (m *members) texts(name string) []string {
	var out []string
	for i, e := range m.list(name) {
		s, ok := e.(string)
		if !ok {
			m.l.fault(m.at.key(name).item(i), "%s must hold strings only.", name)
			continue
		}
		out = append(out, s)
	}
	return out
}

// choice reads a keyword; the first allowed one is the default.
func choice[T ~string](m *members, name string, allowed ...T) T {
	v, ok := m.get(name)
	if !ok {
		return allowed[0]
	}
	s, ok := v.(string)
	if !ok || !slices.Contains(allowed, T(s)) {
		m.l.fault(m.at.key(name), "%s must be one of %v.", name, allowed)
		return allowed[0]
	}
	return T(s)
}

// done reports the members that nothing asked for.
func (m *members) done() {
	var unknown []string
	for name := range m.o {
		if !m.seen[name] {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		m.l.fault(m.at.key(name), "%s is not known here (names are written as in RFC 7643).", quoteName(name))
	}
}
