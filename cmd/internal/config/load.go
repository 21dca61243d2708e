package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"
)

// EnvPrefix starts the name of every environment variable of ours.
const EnvPrefix = "SALLYPORT_"

// Source says where settings come from. Each part may be left out.
type Source struct {
	// File is the YAML file; "" takes SALLYPORT_CONFIG, else none.
	File string
	// Getenv reads the environment, as os.Getenv does.
	Getenv func(string) string
	// Flags are settings from the command line, by key. They win.
	Flags map[string]string
}

// places are the environment and the file that are read, "" for no file.
func (src Source) places() (getenv func(string) string, path string) {
	getenv, path = src.Getenv, src.File
	if getenv == nil {
		getenv = func(string) string { return "" }
	}
	if path == "" {
		path = getenv(EnvPrefix + "CONFIG")
	}
	return getenv, path
}

// Load reads the settings: defaults, file, environment, flags, each over the
// one before. It reports every fault at once, each naming its key; it does
// not Validate.
func Load(src Source) (Config, error) {
	cfg := Default()
	getenv, path := src.places()
	fields := settings(&cfg)
	var faults []error
	if path != "" {
		faults = append(faults, loadFile(path, fields)...)
	}
	faults = append(faults, loadEnv(getenv, fields)...)
	faults = append(faults, loadFlags(src.Flags, fields)...)
	return cfg, errors.Join(faults...)
}

// Origins says where the value of each key came from: "default", "file PATH",
// "environment NAME" or "flag". What cannot be read counts as not there.
func Origins(src Source) map[string]string {
	cfg := Default()
	getenv, path := src.places()
	k := koanf.New(".")
	if path != "" && k.Load(file.Provider(path), yaml.Parser()) != nil {
		k = koanf.New(".")
	}
	out := map[string]string{}
	for _, s := range settings(&cfg) {
		_, flag := src.Flags[s.key]
		switch {
		case flag:
			out[s.key] = "flag"
		case getenv(s.env) != "":
			out[s.key] = "environment " + s.env
		case s.byFile && getenv(s.env+"_FILE") != "":
			out[s.key] = "environment " + s.env + "_FILE"
		case k.Exists(s.key), s.byFile && k.Exists(s.key+"_file"):
			out[s.key] = "file " + path
		default:
			out[s.key] = "default"
		}
	}
	return out
}

// EnvName returns the environment variable of a key.
func EnvName(key string) string {
	cfg := Default()
	for _, s := range settings(&cfg) {
		if s.key == key {
			return s.env
		}
	}
	return variable(key)
}

// variable is the name that a setting without a shorter one has.
func variable(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Keys returns the key of every setting, in the order of the struct.
func Keys() []string {
	cfg := Default()
	var keys []string
	for _, s := range settings(&cfg) {
		keys = append(keys, s.key)
	}
	return keys
}

func loadFile(path string, fields []setting) []error {
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return []error{fmt.Errorf("read configuration file %s: %w", path, err)}
	}
	known := map[string]bool{}
	var faults []error
	for _, s := range fields {
		known[s.key] = true
		if k.Exists(s.key) {
			faults = appendFault(faults, path+": "+s.key, s.set(k.Get(s.key)))
		}
		if fileKey := s.key + "_file"; s.byFile {
			known[fileKey] = true
			if name := k.String(fileKey); name != "" {
				faults = appendFault(faults, path+": "+fileKey, s.setFromFile(name))
			}
		}
	}
	for _, key := range k.Keys() {
		switch {
		case known[key] || inMap(key, fields):
		case firstOf(key, fields) != "":
			faults = append(faults, fmt.Errorf("%s: %s wants a section with settings such as %s", path, key, firstOf(key, fields)))
		default:
			faults = append(faults, fmt.Errorf("%s: %s is not a setting", path, key))
		}
	}
	return faults
}

// firstOf returns the first setting below a key, and "" when there is none.
func firstOf(key string, fields []setting) string {
	for _, s := range fields {
		if strings.HasPrefix(s.key, key+".") {
			return s.key
		}
	}
	return ""
}

// inMap reports whether a key is of a setting that is a map, which has checked
// its own keys.
func inMap(key string, fields []setting) bool {
	return slices.ContainsFunc(fields, func(s setting) bool {
		return s.value.Kind() == reflect.Map && strings.HasPrefix(key, s.key+".")
	})
}

func loadEnv(getenv func(string) string, fields []setting) []error {
	var faults []error
	for _, s := range fields {
		name := s.env
		text := getenv(name)
		if text != "" {
			faults = appendFault(faults, name, s.set(text))
		}
		if !s.byFile {
			continue
		}
		path := getenv(name + "_FILE")
		if path != "" && text != "" {
			faults = append(faults, fmt.Errorf("%s and %s_FILE are both set: keep one", name, name))
		}
		if path != "" {
			faults = appendFault(faults, name+"_FILE", s.setFromFile(path))
		}
	}
	return faults
}

func loadFlags(flags map[string]string, fields []setting) []error {
	var faults []error
	for _, s := range fields {
		if text, ok := flags[s.key]; ok {
			name := "--" + strings.NewReplacer(".", "-", "_", "-").Replace(s.key)
			faults = appendFault(faults, name, s.set(text))
		}
	}
	return faults
}

func (s setting) setFromFile(path string) error {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return err
	}
	return s.set(strings.TrimRight(string(text), "\r\n"))
}

func appendFault(faults []error, where string, err error) []error {
	if err == nil {
		return faults
	}
	if where == "" {
		return append(faults, err)
	}
	return append(faults, fmt.Errorf("%s: %w", where, err))
}
