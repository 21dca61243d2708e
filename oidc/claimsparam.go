package oidc

import (
	"bytes"
	"encoding/json"
	"io"
)

// claimsParam is the claims parameter (OpenID Connect Core 1.0 section 5.5).
type claimsParam struct {
	UserInfo map[string]*claimAsked `json:"userinfo"`
	IDToken  map[string]*claimAsked `json:"id_token"`
}

// claimAsked is how one claim is asked for; nil: voluntary, any value.
type claimAsked struct {
	Essential bool              `json:"essential"`
	Value     json.RawMessage   `json:"value"`
	Values    []json.RawMessage `json:"values"`
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
