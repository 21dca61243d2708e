package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/oidc"
)

const publicKeys = `{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

// flagsOf reads the flags of a command line as client update does.
func flagsOf(t *testing.T, args ...string) *clientFlags {
	t.Helper()
	var c cli
	parser, err := kong.New(&c, kong.Exit(func(int) {}), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"client", "update", "x"}, args...)); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return &c.Client.Update.clientFlags
}

// edited is a client after the flags.
func edited(t *testing.T, c oidc.Client, args ...string) oidc.Client {
	t.Helper()
	edit, err := flagsOf(t, args...).edit()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	// It may run again, as stores say.
	for range 2 {
		if err := edit(&c); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	return c
}

func everyFlag(t *testing.T) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(file, []byte(publicKeys), 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.Fields("--name N --type native --redirect-uri https://a.example/cb --allow-http-redirect " +
		"--post-logout-redirect-uri https://a.example/bye --backchannel-logout-uri https://a.example/out " +
		"--origin https://b.example --auth-method private_key_jwt --jwks " + file + " --grant-type device_code " +
		"--scope openid --permitted-acr MFA --required-acr MFA --acr-unmet fail --acr-unmet-error interaction_required " +
		"--default-max-age 5m --id-token-alg ES256 --opaque-access-tokens --dpop --require-pkce --require-par " +
		"--refresh-grace 5s --drop-elevation-on-refresh --trusted --first-party --login-uri https://a.example/login --profile rfc --domain hr")
}

// What an operator may say about a client has a flag. What is left is the
// server's, or what only applications say about themselves.
func TestEveryMemberHasAFlag(t *testing.T) {
	t.Parallel()
	without := []string{
		"ID", "Secrets", "RegistrationHash", "CreatedAt", "UpdatedAt", "Disabled", // other flags, or the server's
		"PermittedFallback", "UserInfoAlg", "RequestObjectAlg", // of the settings, and of registrations
		"URI", "LogoURI", "PolicyURI", "TOSURI", "Contacts",
	}
	got := reflect.ValueOf(edited(t, oidc.Client{}, everyFlag(t)...))
	for i := range got.NumField() {
		name := got.Type().Field(i).Name
		if got.Field(i).IsZero() != slices.Contains(without, name) {
			t.Errorf("after every flag %s is %v", name, got.Field(i))
		}
	}
}

// What no flag names stays.
func TestUpdateLeavesTheRest(t *testing.T) {
	t.Parallel()
	full := edited(t, oidc.Client{}, everyFlag(t)...)
	if diff := cmp.Diff(full, edited(t, full)); diff != "" {
		t.Errorf("no flags change the client:\n%s", diff)
	}
	want := full
	want.Trusted, want.RequiredACR, want.PermittedACRs, want.DefaultMaxAge = false, "", []string{}, nil
	got := edited(t, full, "--no-trusted", "--required-acr", "", "--permitted-acr", "", "--default-max-age", "")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want, got:\n%s", diff)
	}
}

// Another type brings its own way to authenticate, unless a flag names one.
func TestTypeBringsItsDefaults(t *testing.T) {
	t.Parallel()
	web := oidc.Client{Type: oidc.Web, AuthMethod: oidc.SecretPost, GrantTypes: []string{oidc.GrantCode}}
	for args, want := range map[string]oidc.Client{
		"--type web":                       web,
		"--type machine":                   {Type: oidc.Machine},
		"--type native --auth-method none": {Type: oidc.Native, AuthMethod: oidc.NoAuth},
		"--public":                         {Type: oidc.Web, AuthMethod: oidc.NoAuth, GrantTypes: web.GrantTypes},
		"--no-public":                      web,
		"--grant-type device_code":         {Type: oidc.Web, AuthMethod: oidc.SecretPost, GrantTypes: []string{oidc.GrantDevice}},
	} {
		if diff := cmp.Diff(want, edited(t, web, strings.Fields(args)...)); diff != "" {
			t.Errorf("%s: want, got:\n%s", args, diff)
		}
	}
	public := oidc.Client{Type: oidc.Web, AuthMethod: oidc.NoAuth}
	if got := edited(t, public, "--no-public").AuthMethod; got != oidc.SecretBasic {
		t.Errorf("--no-public: %s, want %s", got, oidc.SecretBasic)
	}
}

// Faults keep what they wrap to themselves: none shows a name of Go or a
// description of the wire alone.
func TestClientFaultsNameAFlag(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"client_id must have 1 to 128 letters.":                       "--id: ",
		"There is no scope payments.":                                 "--scope: There is no scope payments: ",
		"refresh_grace must lie between 0 and 30s.":                   "--refresh-grace: ",
		"acr_unmet_error must be one.":                                "--acr-unmet-error: ",
		"The URI https:%2F%2Fa.example%2Fcb cannot be used: it is x.": "--redirect-uri: The URI https://a.example/cb cannot be used",
		"there is no ACR 'Gold'.":                                     "--required-acr: ",
		"Something that nobody thought of.":                           "Something that nobody thought of",
	} {
		c := oidc.Client{RedirectURIs: []string{"https://a.example/cb"}, RequiredACR: "Gold"}
		if got := clientFault(&oidc.Error{Code: oidc.InvalidMetadata, Description: text}, "x", c).Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s…", text, got, want)
		}
	}
	other := errors.New("disk full")
	if got := clientFault(other, "x", oidc.Client{}); !errors.Is(got, other) {
		t.Errorf("clientFault(%v) = %v", other, got)
	}
	if got := clientFault(nil, "x", oidc.Client{}); got != nil {
		t.Errorf("clientFault(nil) = %v", got)
	}
}
