package oidc

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"slices"
)

// claimsParam is the claims parameter (OpenID Connect Core 1.0 section 5.5).
type claimsParam struct {
	UserInfo map[string]*claimAsked `json:"userinfo,omitempty"`
	IDToken  map[string]*claimAsked `json:"id_token,omitempty"`
}

// claimAsked is how one claim is asked for; nil: voluntary, any value.
type claimAsked struct {
	Essential bool              `json:"essential,omitempty"`
	Value     json.RawMessage   `json:"value,omitempty"`
	Values    []json.RawMessage `json:"values,omitempty"`
}

// errClaims is the answer to a claims parameter that does not parse.
func errClaims() *Error {
	return &Error{Code: InvalidRequest, Description: "The claims parameter is malformed."}
}

// parseClaimsParam reads a claims parameter; unknown members and claims are
// ignored, what is malformed is refused.
func parseClaimsParam(text string) (claimsParam, error) {
	var c claimsParam
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	if err := dec.Decode(&c); err != nil {
		return claimsParam{}, errClaims().Because(err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return claimsParam{}, errClaims()
	}
	// null decodes into nothing: the parameter must be an object.
	if first := bytes.TrimLeft([]byte(text), " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return claimsParam{}, errClaims()
	}
	return c, nil
}

// texts returns the values that are asked for; all must be texts.
func (a *claimAsked) texts() ([]string, error) {
	if a == nil {
		return nil, nil
	}
	raw := a.Values
	if a.Value != nil && !bytes.Equal(a.Value, []byte("null")) {
		raw = append([]json.RawMessage{a.Value}, raw...)
	}
	out := make([]string, 0, len(raw))
	for _, r := range raw {
		var text *string
		if err := json.Unmarshal(r, &text); err != nil || text == nil {
			return nil, errClaims()
		}
		out = append(out, *text)
	}
	return out, nil
}

// claimScopes are the scopes that the asked claims belong to and that the
// client may have, beside those of the request. The person is asked about them
// as about scopes: a claim is as personal as the scope that holds it (OpenID
// Connect Core 1.0 section 5.5).
func (p *Provider) claimScopes(c Client, asked claimsParam, scopes []string) []string {
	var out []string
	for name, source := range claimSources(p.cfg.Claims) {
		_, info := asked.UserInfo[name]
		_, token := asked.IDToken[name]
		if (info || token) && slices.Contains(c.Scopes, source.scope) && !slices.Contains(scopes, source.scope) {
			out = append(out, source.scope)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// allowedClaims leaves of a claims parameter the claims whose scopes were
// granted; nil when there is none.
func (p *Provider) allowedClaims(raw json.RawMessage, granted []string) (json.RawMessage, error) {
	asked, err := parseStoredClaims(raw)
	if err != nil {
		return nil, err
	}
	sources := claimSources(p.cfg.Claims)
	refused := func(name string, _ *claimAsked) bool { return !slices.Contains(granted, sources[name].scope) }
	maps.DeleteFunc(asked.UserInfo, refused)
	maps.DeleteFunc(asked.IDToken, refused)
	if len(asked.UserInfo)+len(asked.IDToken) == 0 {
		return nil, nil
	}
	return json.Marshal(asked)
}
