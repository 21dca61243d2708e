package schema

import (
	"cmp"
	"io/fs"
	"slices"
	"strings"
)

// Registry holds every schema and resource type of the server, compiled once
// at start. Safe for concurrent use.
type Registry struct {
	types     []*ResourceType
	index     map[string]*ResourceType
	endpoints map[string]*ResourceType
	schemas   []*Schema
	byURN     map[string]*Schema
}

// Types returns all resource types, User and Group first, in a fixed order.
func (g *Registry) Types() []*ResourceType { return g.types }

// Load returns the built-in User and Group types, with the enterprise and
// second-factor extensions, plus what the JSON files of the two folders
// define (RFC 7643 sections 6 and 7, in the form of /Schemas and
// /ResourceTypes). Either folder may be nil. A resource type file named User or
// Group adds its extensions to the built-in type. Every fault of every file is
// reported at once, as LoadErrors, with file and JSON pointer.
func Load(schemas, resourceTypes fs.FS) (*Registry, error) {
	l := newLoader()
	l.builtin()
	l.schemaFolder(schemas)
	l.typeFolder(resourceTypes)
	l.checkReferences()
	if len(l.faults) > 0 {
		slices.SortStableFunc(l.faults, func(x, y LoadError) int { return cmp.Compare(x.File, y.File) })
		return nil, l.faults
	}
	return l.registry(), nil
}

// registry compiles what was loaded.
func (l *loader) registry() *Registry {
	g := &Registry{
		types:     l.types,
		index:     map[string]*ResourceType{},
		endpoints: map[string]*ResourceType{},
		byURN:     map[string]*Schema{},
	}
	for _, s := range l.schemas {
		g.schemas = append(g.schemas, s.Schema)
		both(g.byURN, s.ID, s.Schema)
	}
	// The built-in schemas keep their order; those of files are put by URN.
	slices.SortStableFunc(g.schemas[l.shipped:], func(x, y *Schema) int { return cmp.Compare(x.ID, y.ID) })
	slices.SortStableFunc(g.types[shippedTypes:], func(x, y *ResourceType) int { return cmp.Compare(x.Name, y.Name) })
	for _, rt := range g.types {
		rt.compile()
		both(g.index, rt.Name, rt)
		g.endpoints[strings.TrimPrefix(rt.Endpoint, "/")] = rt
	}
	return g
}
