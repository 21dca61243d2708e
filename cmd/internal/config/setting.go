package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setting is one field of a Config with its key.
type setting struct {
	key    string
	value  reflect.Value
	sep    string // between the elements of a list in the environment
	env    string // variable, when it is not the one of the key
	byFile bool   // may be read from a file that another setting names
}

// settings lists the fields of cfg, those of nested structs included.
func settings(cfg *Config) []setting {
	return appendSettings(nil, "", reflect.ValueOf(cfg).Elem())
}

func appendSettings(out []setting, prefix string, v reflect.Value) []setting {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key := prefix + tag.Get("koanf")
		if v.Field(i).Kind() == reflect.Struct {
			out = appendSettings(out, key+".", v.Field(i))
			continue
		}
		sep := tag.Get("sep")
		if sep == "" {
			sep = ","
		}
		s := setting{key: key, value: v.Field(i), sep: sep, env: variable(key)}
		if short := tag.Get("env"); short != "" {
			s.env = EnvPrefix + short
		}
		s.byFile = tag.Get("file") != "" || s.value.Type() == reflect.TypeFor[Secret]()
		out = append(out, s)
	}
	return out
}

// set assigns a value of a YAML file or the text of a variable or flag.
func (s setting) set(raw any) error {
	if providers, ok := reflect.TypeAssert[*[]Provider](s.value.Addr()); ok {
		return setProviders(providers, raw)
	}
	if isTree(s.value.Type()) {
		return errors.Join(setTree(s.value, raw, "")...)
	}
	if s.value.Kind() == reflect.Slice {
		return s.setList(raw)
	}
	text, ok := scalar(raw)
	if !ok {
		return fmt.Errorf("wants %s, not a %s", s.wants(), shape(raw))
	}
	if s.rewritten(raw) {
		return errors.New("wants text in quotes: without them YAML reads it as a number, and its digits are lost")
	}
	switch s.value.Interface().(type) {
	case time.Duration:
		d, err := ParseDuration(text)
		if err != nil {
			return err
		}
		s.value.SetInt(int64(d))
		return nil
	case bool:
		b, err := parseBool(text)
		if err != nil {
			return fmt.Errorf("wants %s", s.wants())
		}
		s.value.SetBool(b)
		return nil
	case int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return fmt.Errorf("wants %s", s.wants())
		}
		s.value.SetInt(n)
		return nil
	default:
		s.value.SetString(text)
		return nil
	}
}

// rewritten reports whether YAML may have made another text of one without
// quotes: it reads 0123 as 83, and 40 digits as 1.2e+39. For secrets every number
// is refused, else those that are not whole.
func (s setting) rewritten(raw any) bool {
	if s.value.Kind() != reflect.String {
		return false
	}
	switch raw.(type) {
	case float64:
		return true
	case int, int64, uint64:
		return s.value.Type() == reflect.TypeFor[Secret]()
	}
	return false
}

// parseBool reads true and false, and the on and off of YAML 1.1.
func parseBool(text string) (bool, error) {
	switch text {
	case "on", "yes":
		return true, nil
	case "off", "no":
		return false, nil
	}
	return strconv.ParseBool(text)
}

func (s setting) wants() string {
	switch s.value.Interface().(type) {
	case time.Duration:
		return "a time such as 90s, 12h or 30d"
	case bool:
		return "true or false"
	case int:
		return "a whole number"
	default:
		return "text"
	}
}

func (s setting) setList(raw any) error {
	var list []string
	switch v := raw.(type) {
	case nil:
	case []any:
		for _, e := range v {
			text, ok := scalar(e)
			if !ok {
				return errors.New("wants a list of texts")
			}
			list = append(list, text)
		}
	default:
		text, ok := scalar(raw)
		if !ok {
			return errors.New("wants a list of texts")
		}
		for part := range strings.SplitSeq(text, s.sep) {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	s.value.Set(reflect.ValueOf(list))
	return nil
}

func scalar(raw any) (string, bool) {
	switch v := raw.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v), true
	}
	return "", false
}

func shape(raw any) string {
	if _, ok := raw.([]any); ok {
		return "list"
	}
	return "map"
}

// ParseDuration reads a time span as time.ParseDuration does, and also whole
// days ("30d") and weeks ("2w"), which a day of 24 hours is exact enough for.
func ParseDuration(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	for unit, length := range map[string]time.Duration{"d": day, "w": 7 * day} {
		count, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(count, 10, 32)
		if err != nil || n > int64(200*365*day/length) {
			return 0, fmt.Errorf("%q is not a time such as 90s, 12h or 30d", text)
		}
		return time.Duration(n) * length, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		if text == "0" || text == "" {
			return 0, nil
		}
		return 0, fmt.Errorf("%q is not a time such as 90s, 12h or 30d", text)
	}
	return d, nil
}

// setProviders reads a list of maps; each key of a map is checked as a setting
// of the file is.
func setProviders(into *[]Provider, raw any) error {
	list, ok := raw.([]any)
	if !ok {
		return errors.New("wants a list of providers, in the configuration file")
	}
	var faults []error
	out := make([]Provider, len(list))
	for i, element := range list {
		table, ok := element.(map[string]any)
		if !ok {
			faults = append(faults, fmt.Errorf("entry %d: wants a map of settings", i+1))
			continue
		}
		faults = append(faults, setProvider(&out[i], table, fmt.Sprintf("entry %d", i+1))...)
	}
	*into = out
	return errors.Join(faults...)
}

func setProvider(p *Provider, table map[string]any, where string) []error {
	var faults []error
	known := map[string]bool{}
	for _, s := range appendSettings(nil, "", reflect.ValueOf(p).Elem()) {
		known[s.key] = true
		if raw, ok := table[s.key]; ok {
			faults = appendFault(faults, where+": "+s.key, s.set(raw))
		}
		if !s.byFile {
			continue
		}
		known[s.key+"_file"] = true
		if name, ok := table[s.key+"_file"].(string); ok && name != "" {
			faults = appendFault(faults, where+": "+s.key+"_file", s.setFromFile(name))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !known[key] {
			faults = append(faults, fmt.Errorf("%s: %s is not a setting of a provider", where, key))
		}
	}
	return faults
}
