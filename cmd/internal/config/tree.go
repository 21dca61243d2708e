package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A tree is a setting that is more than one value or list of texts: a list of
// structs, a map of them, or one that may be left out. It is read from the file
// only. Each field is checked as a setting of its own, unknown keys are faults.

// isTree reports whether a setting of this type is read by setTree.
func isTree(t reflect.Type) bool {
	return t.Kind() == reflect.Map || t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// setTree reads raw into v; where says which part of the setting it is.
func setTree(v reflect.Value, raw any, where string) []error {
	switch kind := v.Kind(); {
	case kind == reflect.Pointer && raw == nil:
		return nil
	case kind == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return setTree(v.Elem(), raw, where)
	case kind == reflect.Struct:
		return setStruct(v, raw, where)
	case kind == reflect.Map:
		return setMap(v, raw, where)
	case kind == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		return setStructs(v, raw, where)
	}
	return appendFault(nil, where, setting{value: v, sep: ","}.set(raw))
}

func setStruct(v reflect.Value, raw any, where string) []error {
	table, ok := raw.(map[string]any)
	if !ok {
		return []error{fmt.Errorf("%s: wants a map of settings", where)}
	}
	var faults []error
	known := map[string]bool{}
	for i := range v.NumField() {
		key := v.Type().Field(i).Tag.Get("koanf")
		known[key] = true
		if value, ok := table[key]; ok {
			faults = append(faults, setTree(v.Field(i), value, where+"."+key)...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if !known[key] {
			faults = append(faults, fmt.Errorf("%s: %s is not a setting here", where, key))
		}
	}
	return faults
}

func setMap(v reflect.Value, raw any, where string) []error {
	v.SetZero()
	if raw == nil {
		return nil
	}
	table, ok := raw.(map[string]any)
	if !ok {
		return appendFault(nil, where, errors.New("wants a map, in the configuration file"))
	}
	var faults []error
	out := reflect.MakeMapWithSize(v.Type(), len(table))
	for _, key := range slices.Sorted(maps.Keys(table)) {
		element := reflect.New(v.Type().Elem()).Elem()
		faults = append(faults, setTree(element, table[key], join(where, key))...)
		out.SetMapIndex(reflect.ValueOf(key), element)
	}
	v.Set(out)
	return faults
}

func setStructs(v reflect.Value, raw any, where string) []error {
	v.SetZero()
	if raw == nil {
		return nil
	}
	list, ok := raw.([]any)
	if !ok {
		return appendFault(nil, where, errors.New("wants a list of maps, in the configuration file"))
	}
	var faults []error
	out := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, element := range list {
		faults = append(faults, setTree(out.Index(i), element, join(where, entry(element, i)))...)
	}
	v.Set(out)
	return faults
}

// entry names one element of a list: by its name if it has one.
func entry(element any, i int) string {
	if table, ok := element.(map[string]any); ok {
		if name, ok := table["name"].(string); ok && name != "" {
			return name
		}
	}
	return fmt.Sprint("entry ", i+1)
}

func join(where, part string) string { return strings.TrimPrefix(where+"."+part, ".") }
