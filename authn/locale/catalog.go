package locale

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

//go:embed texts/*.json
var texts embed.FS

// Catalog holds texts by language and key. It is read only and safe for
// concurrent use.
type Catalog struct {
	texts map[string]map[string]string
}

// Builtin loads the embedded texts.
func Builtin() (*Catalog, error) {
	folder, err := fs.Sub(texts, "texts")
	if err != nil {
		return nil, fmt.Errorf("open embedded texts: %w", err)
	}
	return Load(folder)
}

// Load reads LANGUAGE.json for every language, each one object of key and
// text. Its error names every missing, unknown and empty text.
func Load(folder fs.FS) (*Catalog, error) {
	c := &Catalog{texts: map[string]map[string]string{}}
	var faults []error
	for _, lang := range Languages() {
		name := lang + ".json"
		raw, err := fs.ReadFile(folder, name)
		if err != nil {
			faults = append(faults, fmt.Errorf("read texts: %w", err))
			continue
		}
		table := map[string]string{}
		if err := json.Unmarshal(raw, &table); err != nil {
			faults = append(faults, fmt.Errorf("read texts of %s: %w", name, err))
			continue
		}
		c.texts[lang] = table
	}
	return c, errors.Join(append(faults, c.gaps()...)...)
}

// gaps compares every language with the default one.
func (c *Catalog) gaps() []error {
	var faults []error
	all := c.texts[Default]
	for _, lang := range slices.Sorted(maps.Keys(c.texts)) {
		table := c.texts[lang]
		for _, key := range slices.Sorted(maps.Keys(all)) {
			switch text := table[key]; {
			case strings.TrimSpace(text) == "":
				faults = append(faults, fmt.Errorf("%s.json: text %q is missing", lang, key))
			case !slices.Equal(placeholders(text), placeholders(all[key])):
				faults = append(faults, fmt.Errorf("%s.json: text %q has other placeholders than %s.json", lang, key, Default))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(table)) {
			if _, known := all[key]; !known {
				faults = append(faults, fmt.Errorf("%s.json: text %q is unknown in %s.json", lang, key, Default))
			}
		}
	}
	return faults
}

// placeholders returns the names in braces of a text, sorted.
func placeholders(text string) []string {
	var out []string
	for {
		_, rest, found := strings.Cut(text, "{")
		if !found {
			slices.Sort(out)
			return slices.Compact(out)
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			slices.Sort(out)
			return slices.Compact(out)
		}
		out, text = append(out, name), after
	}
}

// Has says whether there is a text of that key.
func (c *Catalog) Has(key string) bool {
	_, ok := c.texts[Default][key]
	return ok
}

// Text returns the text of a key in a language of [Languages] (another one:
// the default), with each "{name}" replaced by args[name] in one pass. An
// unknown key is returned as it is: a bug that shows on the page.
func (c *Catalog) Text(lang, key string, args map[string]string) string {
	table, ok := c.texts[lang]
	if !ok {
		table = c.texts[Default]
	}
	text, ok := table[key]
	if !ok {
		return key
	}
	if len(args) == 0 {
		return text
	}
	return replaced(text, args)
}

// replaced is text with each "{name}" replaced by args[name]. It is what
// strings.Replacer does, without building one for every text.
func replaced(text string, args map[string]string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, rest, closed := strings.Cut(after, "}")
		if value, ok := args[name]; ok && closed {
			b.WriteString(value)
			text = rest
			continue
		}
		b.WriteByte('{')
		text = after
	}
}
