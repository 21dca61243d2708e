package oidc

import (
	"net/url"
	"strings"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// The texts of the original for logins that cannot be had as asked.
const (
	textUnreachable  = "Second factor authentication is not enabled by the user."
	textContext      = "The authentication context does not satisfy the requested level."
	textNotPermitted = "None of the requested authentication contexts is permitted."
)

// unmet is what a client is told when a requirement cannot be met.
func (p *Provider) unmet(c Client, reason acr.Reason) *Error {
	switch reason {
	case acr.LoginRequired, acr.WrongUser:
		return &Error{Code: LoginRequired, Description: "The user is not logged in, or is another one."}
	case acr.InteractionRequired:
		return &Error{Code: InteractionRequired, Description: "The user has to show a further factor."}
	case acr.Unreachable:
		return &Error{Code: p.unmetCode(c), Description: textUnreachable}
	case acr.ContextUnmet:
		return &Error{Code: p.unmetCode(c), Description: textContext}
	case acr.NotPermitted:
		return &Error{Code: p.unmetCode(c), Description: textNotPermitted}
	case acr.ChainFailed:
		return &Error{Code: AccessDenied, Description: "The user has not shown a factor that is required."}
	default:
		return &Error{Code: AccessDenied, Description: "The login is refused."}
	}
}

// unmetCode is the code of the client, else of the server, else that of the
// original.
func (p *Provider) unmetCode(c Client) Code {
	for _, code := range []Code{Code(c.ACRUnmetError), p.cfg.Policy.ACRUnmetError} {
		if code != "" {
			return code
		}
	}
	return InteractionRequired
}

// refuse tells a client of an error (RFC 6749 section 4.1.2.1).
func (p *Provider) refuse(r request, e *Error) Reply {
	values := url.Values{"error": {string(e.Code)}}
	if text := asDescription(e.Description); text != "" {
		values.Set("error_description", text)
	}
	return p.answer(r, values)
}

// answer brings the parameters of an answer to the client, with its state as it
// was sent and who answers (RFC 9207 section 2).
func (p *Provider) answer(r request, values url.Values) Reply {
	if r.State != "" {
		values.Set("state", r.State)
	}
	values.Set("iss", p.cfg.Issuer)
	if r.FormPost {
		fields := make(map[string]string, len(values))
		for name := range values {
			fields[name] = values.Get(name)
		}
		return FormPost{URI: r.RedirectURI, Params: fields}
	}
	// The registered URI stays as it is, byte for byte; its query is kept (RFC
	// 6749 section 3.1.2).
	mark := "?"
	if strings.Contains(r.RedirectURI, "?") {
		mark = "&"
	}
	return Redirect{URL: r.RedirectURI + mark + values.Encode()}
}
