package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport-id/sallyport/oidc"
)

// flagOfFault finds the flag that a fault of a registration is about by a word
// of its text, the first that fits, and says what else helps.
var flagOfFault = [...]struct{ word, flag, way string }{
	{"needs a redirect URI", "--redirect-uri", "give it, or --type machine for an application without users"},
	{"cannot have the grant type client_credentials", "--grant-type", "leave out --public"},
	{"grant type", "--grant-type", "use authorization_code, refresh_token, client_credentials or device_code"},
	{"private_key_jwt needs", "--jwks", "name a file with the public keys of the application"},
	{"token_endpoint_auth_method", "--auth-method", ""},
	{"must authenticate itself", "--public", "leave it out"},
	{"The keys cannot", "--jwks", ""},
	{"client_id", "--id", ""},
	{"client_name", "--name", ""},
	{"The type", "--type", ""},
	{"backchannel_logout_uri", "--backchannel-logout-uri", ""},
	{"The origin", "--origin", ""},
	{"id_token_signed_response_alg", "--id-token-alg", ""},
	{"default_max_age", "--default-max-age", ""},
	{"refresh_grace", "--refresh-grace", ""},
	{"acr_unmet_error", "--acr-unmet-error", ""},
	{"acr_unmet", "--acr-unmet", ""},
	{"scope", "--scope", "those of services are listed by sallyport service list"},
}

// clientFault turns a fault of a registration into a sentence that names the
// flag and the way out.
func clientFault(err error, id string, c oidc.Client) error {
	switch {
	case errors.Is(err, oidc.ErrTaken):
		return fmt.Errorf("--id: there is a client %q already: choose another id, or change it with sallyport client update %s", id, id)
	case errors.Is(err, oidc.ErrNotFound):
		return fmt.Errorf("there is no client %q: see sallyport client list", id)
	}
	fault, ok := errors.AsType[*oidc.Error](err)
	if !ok {
		return err
	}
	text := strings.TrimSuffix(fault.Description, ".")
	if flag, uri := flagOfURI(text, c); flag != "" {
		text = strings.ReplaceAll(text, url.PathEscape(uri), uri)
		if strings.Contains(text, "it is http;") {
			text += "; for tests --allow-http-redirect lets it"
		}
		return fmt.Errorf("%s: %s", flag, text)
	}
	if strings.Contains(text, "no ACR") {
		return fmt.Errorf("%s: %s; see sallyport acr list", flagOfACR(text, c), text)
	}
	for _, f := range flagOfFault {
		if !strings.Contains(text, f.word) {
			continue
		}
		if f.way != "" {
			text += ": " + f.way
		}
		return fmt.Errorf("%s: %s", f.flag, text)
	}
	return errors.New(text)
}

// flagOfURI finds the URI that a fault names, which is escaped there.
func flagOfURI(text string, c oidc.Client) (flag, uri string) {
	for _, l := range []struct {
		flag string
		uris []string
	}{
		{"--redirect-uri", c.RedirectURIs},
		{"--post-logout-redirect-uri", c.PostLogoutRedirectURIs},
		{"--origin", c.Origins},
	} {
		for _, uri := range l.uris {
			if strings.Contains(text, " "+url.PathEscape(uri)+" ") {
				return l.flag, uri
			}
		}
	}
	return "", ""
}

func flagOfACR(text string, c oidc.Client) string {
	if c.RequiredACR != "" && strings.Contains(text, "'"+c.RequiredACR+"'") {
		return "--required-acr"
	}
	return "--permitted-acr"
}
