package servertest_test

import (
	"net/http"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// metadata reads the discovery document.
func (m module) metadata() map[string]any {
	m.Helper()
	r := m.s.Do(m, http.MethodGet, "/.well-known/openid-configuration", "", "")
	if r.Status != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		m.Fatalf("discovery: %d %s %s", r.Status, r.Header.Get("Content-Type"), r.Body)
	}
	return object(m.T, r.Body)
}

func configPlan(p plan) {
	p.module("oidcc-discovery-endpoint-verification", func(m module) {
		d := m.metadata()
		if d["issuer"] != opIssuer {
			m.Errorf("issuer %v, want %s", d["issuer"], opIssuer)
		}
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"} {
			if d[name] == nil {
				m.Errorf("no %s", name)
			}
		}
		for name, value := range d {
			m.checkMetadataMember(name, value)
		}
		for name, want := range map[string][]string{
			"response_types_supported":              {"code"},
			"grant_types_supported":                 {"authorization_code"},
			"subject_types_supported":               {"public"},
			"id_token_signing_alg_values_supported": {"RS256"},
			"scopes_supported":                      {"openid"},
			"claims_supported":                      {"sub", "acr", "amr", "auth_time", "sid", "name", "email"},
			"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post", "private_key_jwt"},
			"code_challenge_methods_supported":      {"S256"},
		} {
			for _, value := range want {
				if !slices.Contains(strs(d[name]), value) {
					m.Errorf("%s %v lacks %s", name, d[name], value)
				}
			}
		}
		for _, tag := range strs(d["ui_locales_supported"]) {
			if _, err := language.Parse(tag); err != nil {
				m.Errorf("ui_locales_supported: %q: %v", tag, err)
			}
		}
		if d["claims_parameter_supported"] != true || d["request_uri_parameter_supported"] != false {
			m.Errorf("claims_parameter_supported %v, request_uri_parameter_supported %v", d["claims_parameter_supported"], d["request_uri_parameter_supported"])
		}
		m.keys()
	})
	p.module("oidcc-rp-initiated-logout-discovery-endpoint-verification", func(m module) { m.wantLogoutEndpoint() })
	p.module("oidcc-backchannel-logout-discovery-endpoint-verification", func(m module) {
		m.wantLogoutEndpoint()
		d := m.metadata()
		if d["backchannel_logout_supported"] != true || d["backchannel_logout_session_supported"] != true {
			m.Errorf("back-channel logout %v, session %v", d["backchannel_logout_supported"], d["backchannel_logout_session_supported"])
		}
	})
}

// checkMetadataMember: every endpoint is https and below the issuer, no list is
// empty, nothing is null (RFC 8414 section 3.2).
func (m module) checkMetadataMember(name string, value any) {
	m.Helper()
	if strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri") {
		if text, _ := value.(string); !strings.HasPrefix(text, opIssuer+"/") {
			m.Errorf("%s %v, want an https URL below the issuer", name, value)
		}
	}
	list, isList := value.([]any)
	if strings.HasSuffix(name, "_supported") && !isList {
		if _, isFlag := value.(bool); !isFlag {
			m.Errorf("%s %v, want a list or a flag", name, value)
		}
	}
	if value == nil || isList && len(list) == 0 {
		m.Errorf("%s is %v", name, value)
	}
}

func (m module) wantLogoutEndpoint() {
	m.Helper()
	if got := m.metadata()["end_session_endpoint"]; got != opIssuer+"/oauth/logout" {
		m.Errorf("end_session_endpoint %v, want https", got)
	}
}
