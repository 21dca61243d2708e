package config_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// env is an environment for tests.
type env map[string]string

func (e env) get(name string) string { return e[name] }

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, src config.Source) config.Config {
	t.Helper()
	cfg, err := config.Load(src)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return cfg
}

func TestDefaultIsValid(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	if err := cfg.Validate(); err != nil {
		t.Errorf("Default does not validate: %v", err)
	}
	got := load(t, config.Source{})
	if diff := cmp.Diff(config.Default(), got); diff != "" {
		t.Errorf("Load of nothing differs from Default (-want +got):\n%s", diff)
	}
}

func TestPrecedenceFlagsOverEnvironmentOverFile(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", `
listen: 127.0.0.1:1
data: from-file
log: {level: warn, format: json}
trusted_proxies: [10.0.0.0/8, 192.0.2.1]
audit: {retention: 400d}
scim:
  unique_group_names: false
  limits: {max_count: 200}
`)
	cfg := load(t, config.Source{
		File:   path,
		Getenv: env{"SALLYPORT_LISTEN": "127.0.0.1:2", "SALLYPORT_LOG_LEVEL": "debug", "SALLYPORT_PUBLIC_URLS": "https://a.example, https://b.example"}.get,
		Flags:  map[string]string{"listen": "127.0.0.1:3"},
	})
	want := config.Default()
	want.Listen = "127.0.0.1:3"
	want.Data = "from-file"
	want.Log = config.Log{Level: "debug", Format: "json"}
	want.TrustedProxies = []string{"10.0.0.0/8", "192.0.2.1"}
	want.PublicURLs = []string{"https://a.example", "https://b.example"}
	want.Audit.Retention = 400 * 24 * time.Hour
	want.SCIM.UniqueGroupNames = false
	want.SCIM.Limits.MaxCount = 200
	if diff := cmp.Diff(want, cfg); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
}

// Every setting can be given in the environment: walk all keys, give each a
// value of its kind and expect that none is left at its default.
func TestEverySettingHasAVariable(t *testing.T) {
	t.Parallel()
	initial := flatten(config.Default())
	if len(initial) < 40 || len(initial) != len(config.Keys()) {
		t.Fatalf("%d settings found and %d keys", len(initial), len(config.Keys()))
	}
	// Those that only a file can hold.
	for _, key := range []string{"delivery.providers", "identity_providers", "authenticators", "chains", "acrs", "services", "scopes", "claims"} {
		delete(initial, key)
	}
	values := env{}
	for key, value := range initial {
		switch value := value.(type) {
		case bool:
			values[config.EnvName(key)] = strconv.FormatBool(!value)
		case time.Duration:
			values[config.EnvName(key)] = "7h"
		default:
			values[config.EnvName(key)] = "7"
		}
	}
	got := flatten(load(t, config.Source{Getenv: values.get}))
	for key, value := range initial {
		if cmp.Equal(value, got[key]) {
			t.Errorf("%s is still %v", key, value)
		}
	}
}

// flatten returns the values of a Config by their keys.
func flatten(cfg config.Config) map[string]any {
	out := map[string]any{}
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for field, value := range v.Fields() {
			key := prefix + field.Tag.Get("koanf")
			if value.Kind() == reflect.Struct {
				walk(key+".", value)
			} else {
				out[key] = value.Interface()
			}
		}
	}
	walk("", reflect.ValueOf(cfg))
	return out
}

func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	secret := write(t, "url", "postgres://u:p@db/x\n")
	t.Run("variable", func(t *testing.T) {
		t.Parallel()
		cfg := load(t, config.Source{Getenv: env{"SALLYPORT_DATABASE_URL_FILE": secret}.get})
		if got := cfg.DatabaseURL.Reveal(); got != "postgres://u:p@db/x" {
			t.Errorf("database_url = %q", got)
		}
	})
	t.Run("key", func(t *testing.T) {
		t.Parallel()
		cfg := load(t, config.Source{File: write(t, "c.yaml", "database_url_file: "+secret+"\n")})
		if got := cfg.DatabaseURL.Reveal(); got != "postgres://u:p@db/x" {
			t.Errorf("database_url = %q", got)
		}
	})
	t.Run("both are a fault", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(config.Source{Getenv: env{"SALLYPORT_MASTER_KEY": "k", "SALLYPORT_MASTER_KEY_FILE": secret}.get})
		if err == nil || !strings.Contains(err.Error(), "SALLYPORT_MASTER_KEY_FILE") {
			t.Errorf("Load = %v, want a fault naming the variable", err)
		}
	})
	t.Run("missing file is a fault", func(t *testing.T) {
		t.Parallel()
		_, err := config.Load(config.Source{Getenv: env{"SALLYPORT_MASTER_KEY_FILE": "/does/not/exist"}.get})
		if err == nil || !strings.Contains(err.Error(), "SALLYPORT_MASTER_KEY_FILE") {
			t.Errorf("Load = %v, want a fault naming the variable", err)
		}
	})
}

func TestLoadReportsAllFaultsWithTheirKeys(t *testing.T) {
	t.Parallel()
	path := write(t, "c.yaml", `
listen: [a]
scim: {rate: fast, default_profil: rfc}
unknown: 1
backchannel: true
shutdown_timeout: soon
trusted_proxies: {a: b}
`)
	_, err := config.Load(config.Source{File: path, Getenv: env{"SALLYPORT_SCIM_UNIQUE_GROUP_NAMES": "maybe"}.get})
	if err == nil {
		t.Fatal("Load accepted a broken file")
	}
	for _, want := range []string{
		"listen: wants text", "scim.rate: wants a whole number", "scim.default_profil is not a setting",
		"unknown is not a setting", "backchannel wants a section with settings such as backchannel.allow_private", "shutdown_timeout: ", "trusted_proxies: wants a list", "SALLYPORT_SCIM_UNIQUE_GROUP_NAMES: wants true or false",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("fault %q is missing in:\n%v", want, err)
		}
	}
}

func TestLoadFileFaults(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{"absent": "/does/not/exist.yaml", "not YAML": write(t, "x.yaml", "a: [")} {
		if _, err := config.Load(config.Source{File: path}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Load = %v, want a fault naming the file", name, err)
		}
	}
	path := write(t, "c.yaml", "data: here\n")
	if cfg := load(t, config.Source{Getenv: env{"SALLYPORT_CONFIG": path}.get}); cfg.Data != "here" {
		t.Errorf("SALLYPORT_CONFIG is not read: data = %q", cfg.Data)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*config.Config)
		want string // "" = valid
	}{
		{"http issuer on loopback", func(c *config.Config) { c.Issuer = "http://127.0.0.1:8080" }, ""},
		{"http issuer on ::1", func(c *config.Config) { c.Issuer = "http://[::1]:8080" }, ""},
		{"http issuer on localhost", func(c *config.Config) { c.Issuer = "http://localhost" }, ""},
		{"https issuer", func(c *config.Config) { c.Issuer = "https://id.example.org/base" }, ""},
		{"http issuer elsewhere", func(c *config.Config) { c.Issuer = "http://id.example.org" }, "issuer"},
		{"issuer named like localhost", func(c *config.Config) { c.Issuer = "http://localhost.example.org" }, "issuer"},
		{"issuer with query", func(c *config.Config) { c.Issuer = "https://id.example.org/?a" }, "issuer"},
		{"issuer with user", func(c *config.Config) { c.Issuer = "https://u@id.example.org" }, "issuer"},
		{"issuer without scheme", func(c *config.Config) { c.Issuer = "id.example.org" }, "issuer"},
		{"public listen needs an issuer", func(c *config.Config) { c.Listen = ":8080" }, "issuer"},
		{"public listen with an issuer", func(c *config.Config) { c.Listen, c.Issuer = "0.0.0.0:8080", "https://x.example" }, ""},
		{"listen without port", func(c *config.Config) { c.Listen = "127.0.0.1" }, "listen"},
		{"public url on http", func(c *config.Config) { c.PublicURLs = []string{"http://x.example"} }, "public_urls"},
		{"proxy range", func(c *config.Config) { c.TrustedProxies = []string{"10.0.0.0/33"} }, "trusted_proxies"},
		{"certificate without key", func(c *config.Config) { c.TLS.Cert = "a.pem" }, "tls.cert"},
		{"other database", func(c *config.Config) { c.DatabaseURL = "mysql://u:hush@db/x" }, "database_url"},
		{"two sources of the key", func(c *config.Config) { c.MasterKey, c.MasterKeyCommand = "k", []string{"kms"} }, "master_key"},
		{"rate below the floor", func(c *config.Config) { c.SCIM.Rate = 24 }, "scim.rate"},
		{"burst below rate", func(c *config.Config) { c.SCIM.Burst = 1 }, "scim.burst"},
		{"short retention", func(c *config.Config) { c.Audit.Retention = time.Hour }, "audit.retention"},
		{"level", func(c *config.Config) { c.Log.Level = "loud" }, "log.level"},
		{"brake", func(c *config.Config) { c.SCIM.Brake.Percent = 0 }, "scim.brake.percent"},
		{"count above maximum", func(c *config.Config) { c.SCIM.Limits.DefaultCount = 501 }, "scim.limits.default_count"},
		{"no body", func(c *config.Config) { c.SCIM.Limits.Body = 0 }, "scim.limits.body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			tt.edit(&cfg)
			err := cfg.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("Validate = %v, want nil", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate = %v, want a fault naming %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") {
				t.Errorf("Validate shows a secret: %v", err)
			}
		})
	}
}

func TestValidateReportsAllAtOnce(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.Listen, cfg.Issuer, cfg.Log.Format, cfg.SCIM.Rate = "x", "ftp://x", "xml", 1
	err := cfg.Validate()
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("Validate = %v, want four faults", err)
	}
}

func TestSecretIsRedacted(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.MasterKey = "hush-hush"
	var log strings.Builder
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("start", "config", cfg, "key", cfg.MasterKey)
	}
	all := log.String() + fmt.Sprintf("%v %+v %#v %s %q %x %d", cfg, cfg, cfg.MasterKey, cfg.MasterKey, cfg.MasterKey, cfg.MasterKey, cfg.MasterKey)
	if strings.Contains(all, "hush") || strings.Contains(all, "68757368") {
		t.Errorf("the secret is shown: %s", all)
	}
	if cfg.MasterKey.Reveal() != "hush-hush" {
		t.Error("Reveal does not return the secret")
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "2w": 336 * time.Hour, "0": 0, "": 0,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"d", "1.5d", "soon", "99999999999d", "1y", "-"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want a fault", text, got)
		}
	}
}

func TestTrustedRanges(t *testing.T) {
	t.Parallel()
	cfg := config.Config{TrustedProxies: []string{"10.1.2.3/8", "192.0.2.7", "2001:db8::1"}}
	ranges, err := cfg.TrustedRanges()
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(ranges)
	if want := "[10.0.0.0/8 192.0.2.7/32 2001:db8::1/128]"; got != want {
		t.Errorf("TrustedRanges = %s, want %s", got, want)
	}
}
