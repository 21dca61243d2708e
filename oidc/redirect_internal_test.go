package oidc

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// Security.md section 4; oauth2 redirect URIs as attackers write them.
func TestRegisteredURIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uri  string
		typ  ClientType
		http bool
		ok   bool
	}{
		{"https://app.example.com/cb", Web, false, true},
		{"https://app.example.com/cb?x=1", Web, false, true},
		{"https://app.example.com:8443/cb", Web, false, true},
		{"http://127.0.0.1:8080/cb", Web, false, true},
		{"http://[::1]/cb", Native, false, true},
		{"http://localhost:3000/cb", SPA, false, true},
		{"com.example.app:/cb", Native, false, true},
		{"http://app.example.com/cb", Web, true, true},
		{"http://app.example.com/cb", Web, false, false},
		{"http://localhost.evil.example/cb", Web, false, false},
		{"com.example.app:/cb", Web, false, false},
		{"myapp:/cb", Native, false, false},
		{"javascript:alert(1)", Native, false, false},
		{"data:text/html,x", Native, false, false},
		{"https://app.example.com/cb#x", Web, false, false},
		{"https://app.example.com/cb#", Web, false, false},
		{"https://user@app.example.com/cb", Web, false, false},
		{"https://user:pw@app.example.com/cb", Web, false, false},
		{`https://app.example.com\@evil.example/cb`, Web, false, false},
		{"https://*.example.com/cb", Web, false, false},
		{"https://app.example.com/*", Web, false, false},
		{"https://app.example.com/c b", Web, false, false},
		{"https://app.example.com/c\tb", Web, false, false},
		{"https://app.example.com/cb\n", Web, false, false},
		{"https://äpp.example.com/cb", Web, false, false},
		{"https://app.example.com/../cb", Web, false, false},
		{"https://app.example.com/%2e%2E/cb", Web, false, false},
		{"https://app.example.com/..;/cb", Web, false, false},
		{"https://app.example.com;sandbox/cb", Web, false, false},
		{"https://app.example.com,x.example/cb", Web, false, false},
		{"https://'self'/cb", Web, false, false},
		{"https://[fe80::1%25eth0]/cb", Web, false, false},
		{"https://[2001:db8::1]:8443/cb", Web, false, true},
		{"https://app_1.example.com/cb", Web, false, true},
		{"https:///cb", Web, false, false},
		{"https:cb", Web, false, false},
		{"https://app.example.com:/cb", Web, false, false},
		{"HTTPS://app.example.com/cb", Web, false, false},
		{"//app.example.com/cb", Web, false, false},
		{"/cb", Web, false, false},
		{"", Web, false, false},
		{"https://app.example.com/" + strings.Repeat("a", maxURI), Web, false, false},
	} {
		err := checkRedirectURI(Client{Type: c.typ, AllowHTTPRedirect: c.http}, c.uri)
		if (err == nil) != c.ok {
			t.Errorf("checkRedirectURI(%s, %q, http %t) = %v, want ok %t", c.typ, c.uri, c.http, err, c.ok)
		}
	}
}

// Rows 5 and 6: RFC 8252 section 7.3.
func TestLoopbackPort(t *testing.T) {
	t.Parallel()
	native := Client{Type: Native, RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]:1/cb", "http://localhost:1/cb", "https://127.0.0.1/x"}}
	for uri, want := range map[string]bool{
		"http://127.0.0.1/cb":           true,
		"http://127.0.0.1:51004/cb":     true,
		"http://[::1]:51004/cb":         true,
		"http://127.0.0.1:/cb":          false,
		"http://127.0.0.1:123456/cb":    false,
		"http://127.0.0.1:51004/cb/x":   false,
		"http://127.0.0.1:51004/cb?x=1": false,
		"http://127.0.0.1:1@evil/cb":    false,
		"http://127.0.0.1.evil/cb":      false,
		"http://127.0.0.1:1.evil/cb":    false,
		"http://127.0.0.2:1/cb":         false,
		"http://localhost:51004/cb":     false,
		"https://127.0.0.1:51004/x":     false,
		"http://127.0.0.1:51004/cb#":    false,
	} {
		if got := redirectRegistered(native, uri); got != want {
			t.Errorf("redirectRegistered(native, %q) = %t, want %t", uri, got, want)
		}
	}
	web := native
	web.Type = Web
	if redirectRegistered(web, "http://127.0.0.1:51004/cb") {
		t.Error("the port of a web client differs, want refused")
	}
}

// No URI reaches a registered one in disguise: what matches is registered byte
// for byte, or the loopback address with another port and nothing else.
func FuzzRedirectURI(f *testing.F) {
	for _, uri := range []string{
		"https://app.example.com/cb", "http://127.0.0.1:9/cb", "http://[::1]:9/cb", "http://127.0.0.1@evil/cb", "com.example.app:/cb", "",
	} {
		f.Add(uri)
	}
	c := Client{Type: Native, RedirectURIs: []string{"https://app.example.com/cb", "http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb"}}
	f.Fuzz(func(t *testing.T, uri string) {
		if !redirectRegistered(c, uri) || slices.Contains(c.RedirectURIs, uri) {
			if u, err := parseRegistered(uri); err == nil && (u.User != nil || u.Fragment != "" || strings.ContainsAny(uri, `\*# `)) {
				t.Fatalf("%q can be registered", uri)
			}
			return
		}
		u, err := url.Parse(uri)
		if err != nil || u.Scheme != "http" || (u.Hostname() != "127.0.0.1" && u.Hostname() != "::1") ||
			u.EscapedPath() != "/cb" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			t.Fatalf("%q matches", uri)
		}
	})
}

// Whatever the parameter, parsing ends with claims or an *Error, and what has
// parsed parses again.
func FuzzClaimsParam(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"id_token":{"acr":{"essential":true,"values":["a"]}}}`, `{"userinfo":{"sub":null}}`, `[]`, `null`, `{"id_token":1}`, `{"id_token":{"acr":{"value":1}}}`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseClaimsParam(text)
		if err != nil {
			wantError(t, text, err, InvalidRequest)
			return
		}
		for _, asked := range c.IDToken {
			if _, err := asked.texts(); err != nil {
				wantError(t, text, err, InvalidRequest)
			}
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := parseClaimsParam(string(again)); err != nil {
			t.Fatalf("%q: printed %q: %v", text, again, err)
		}
	})
}

// A parameter is there once and not empty, or it is named as bad.
func FuzzParams(f *testing.F) {
	for _, query := range []string{"a=1&a=2", "a=&a=1", "state=" + strings.Repeat("s", maxParam+1), "resource=a&resource=b", "%zz", "a", "state=%00", "state=%ff"} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		p, bad := parseParams(values)
		for name, value := range p {
			if value == "" || len(value) > limitOf(name) || !utf8.ValidString(value) || strings.Contains(value, "\x00") || slices.Contains(bad, name) {
				t.Fatalf("%q: %s = %q, bad %v", query, name, value, bad)
			}
		}
		for name, all := range values {
			sent := slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == "" })
			if name != "resource" && len(sent) > 1 && !slices.Contains(bad, name) {
				t.Fatalf("%q: %s is there %d times and not bad", query, name, len(sent))
			}
		}
	})
}

func TestOriginOf(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://App.example.com/cb":     "https://app.example.com",
		"https://app.example.com:443/":   "https://app.example.com",
		"https://app.example.com:8443/":  "https://app.example.com:8443",
		"http://127.0.0.1:3000/cb":       "http://127.0.0.1:3000",
		"http://[::1]:3000/cb":           "http://[::1]:3000",
		"http://[::1]/cb":                "http://[::1]",
		"com.example.app:/cb":            "",
		"https://user@app.example.com/x": "https://app.example.com",
	} {
		if got := originOf(uri); got != want {
			t.Errorf("originOf(%q) = %q, want %q", uri, got, want)
		}
	}
}

func TestFormAction(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"https://app.example.com:8443/cb?x": "https://app.example.com:8443",
		"http://[::1]:3000/cb":              "http:",
		"com.example.app:/cb":               "com.example.app:",
		"":                                  "",
	} {
		if got := formAction(uri); got != want {
			t.Errorf("formAction(%q) = %q, want %q", uri, got, want)
		}
	}
}

func TestAcceptLanguage(t *testing.T) {
	t.Parallel()
	if got := acceptLanguage([]string{"fr-CA", "x;y", "de", strings.Repeat("a", 36), "\r\n"}); got != "fr-CA, de" {
		t.Errorf("acceptLanguage = %q, want fr-CA, de", got)
	}
}
