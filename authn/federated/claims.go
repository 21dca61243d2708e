package federated

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Bounds of what is taken from a provider.
const (
	longestValue  = 2048 // bytes of one value
	mostValues    = 50   // of one name
	mostNames     = 200
	deepestNested = 3
	longestID     = 255 // bytes of sub (OpenID Connect Core 1.0 section 2)
)

// flatten turns claims into text by name: members of objects get a dotted name,
// lists become several values. What is beyond the bounds is left out.
func flatten(claims map[string]any) map[string][]string {
	out := map[string][]string{}
	flattenInto(out, "", claims, 0)
	return out
}

func flattenInto(out map[string][]string, prefix string, claims map[string]any, depth int) {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		if len(out) >= mostNames {
			return
		}
		switch v := claims[name].(type) {
		case map[string]any:
			if depth < deepestNested {
				flattenInto(out, prefix+name+".", v, depth+1)
			}
		case []any:
			for _, one := range v {
				addValue(out, prefix+name, one)
			}
		default:
			addValue(out, prefix+name, v)
		}
	}
}

func addValue(out map[string][]string, name string, v any) {
	text, ok := textOf(v)
	if ok && text != "" && len(text) <= longestValue && len(out[name]) < mostValues {
		out[name] = append(out[name], text)
	}
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	default:
		return "", false
	}
}

// isTrue reads a flag that some providers write as text (OpenID Connect Core 1.0
// section 5.1 has a boolean).
func isTrue(v any) bool { return v == true || v == "true" || v == "1" || v == float64(1) }

// texts reads a list of texts, or one.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, one := range v[:min(len(v), mostValues)] {
			if text, ok := one.(string); ok && text != "" && len(text) <= longestValue {
				out = append(out, text)
			}
		}
		return out
	default:
		return nil
	}
}
