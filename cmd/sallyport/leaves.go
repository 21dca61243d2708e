package main

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sallyport-id/sallyport/schema"
)

// leaves flattens a resource to rows of path and value, in a fixed order.
func leaves(rows [][]string, path string, v any) [][]string {
	switch v := v.(type) {
	case schema.Object:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			next := key
			if path != "" {
				next = path + "." + key
			}
			rows = leaves(rows, next, v[key])
		}
		return rows
	case []any:
		for i, e := range v {
			rows = leaves(rows, fmt.Sprintf("%s[%d]", path, i), e)
		}
		return rows
	}
	return append(rows, []string{path, fmt.Sprint(v)})
}
