package oidc

import (
	"bytes"
	"context"
	"encoding/json"
	"time"
)

// maxRequestLife bounds how long a request object is good (FAPI 2.0 Message
// Signing section 5.3.1 has 60 minutes).
const maxRequestLife = time.Hour

// requestObjectError refuses a request object (RFC 9101 section 7).
func requestObjectError(detail string) *Error {
	return &Error{Code: InvalidRequestObject, Description: "The request object is not acceptable: " + detail}
}

// verifyRequestObject judges a request object of a client (RFC 9101 section 6)
// and returns the parameters in it: objects as JSON text, numbers as text. Only
// these count; parameters beside the request object are for the caller to drop
// (section 6.3).
func (p *Provider) verifyRequestObject(_ context.Context, c Client, raw string) (map[string]string, error) {
	jws, header, err := parseForeign(raw)
	if err != nil {
		return nil, requestObjectError("it is not a JWT that is signed with RS256, PS256, ES256 or EdDSA").Because(err)
	}
	if c.RequestObjectAlg != "" && header.Algorithm != c.RequestObjectAlg {
		return nil, requestObjectError("it is not signed with the registered algorithm")
	}
	if !typeOrNone(header, "oauth-authz-req+jwt") {
		return nil, requestObjectError("its typ is neither JWT nor oauth-authz-req+jwt")
	}
	payload, err := verifyByClient(c, jws, header)
	if err != nil {
		return nil, requestObjectError("no key of the client fits its signature").Because(err)
	}
	var claims registeredClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, requestObjectError("a claim has the wrong type").Because(err)
	}
	switch {
	case claims.Issuer != c.ID:
		return nil, requestObjectError("iss must be the client id")
	case claims.Subject == c.ID:
		// RFC 9101 section 10.8: else an assertion would pass as a request.
		return nil, requestObjectError("sub must not be the client id")
	case !claims.Audience.has(p.cfg.Issuer):
		return nil, requestObjectError("aud must name the issuer of this server")
	case !claims.timely(p.now(), maxRequestLife):
		return nil, requestObjectError("it has expired, is not valid yet, or is valid for more than an hour")
	}
	return requestParameters(c, payload)
}

// requestParameters takes the authorization parameters out of the claims.
func requestParameters(c Client, payload []byte) (map[string]string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil {
		return nil, requestObjectError("it is not an object").Because(err)
	}
	params := make(map[string]string, len(members))
	for name, value := range members {
		switch name {
		case "iss", "sub", "aud", "exp", "nbf", "iat", "jti":
			continue
		case "request", "request_uri":
			// RFC 9101 section 4: these must not be inside.
			return nil, requestObjectError(name + " must not be in it")
		}
		text, ok := parameterText(value)
		if !ok {
			return nil, requestObjectError("the parameter " + printable(name) + " has the wrong type")
		}
		params[name] = text
	}
	if params["client_id"] != c.ID {
		return nil, requestObjectError("client_id must be in it and be that of the request")
	}
	return params, nil
}

// parameterText is a member as a parameter of a query would have it.
func parameterText(value json.RawMessage) (string, bool) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return "", false
	}
	switch value[0] {
	case '"':
		var text string
		err := json.Unmarshal(value, &text)
		return text, err == nil
	case '[':
		// RFC 8707 section 2 has several resources; here one.
		var list []string
		if err := json.Unmarshal(value, &list); err != nil || len(list) != 1 {
			return "", false
		}
		return list[0], true
	case 'n':
		return "", false
	default:
		return string(value), true
	}
}

// printable keeps the characters of RFC 6749 section 5.2 and cuts what is long.
func printable(text string) string {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text) && len(out) < 64; i++ {
		if c := text[i]; c >= 0x20 && c <= 0x7e && c != '"' && c != '\\' {
			out = append(out, c)
		}
	}
	return string(out)
}
