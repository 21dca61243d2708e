package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
)

// Login is a login to be explained: of a user to a client, from nothing.
type Login struct {
	User      string // user name, id, or an e-mail address that one user has
	Client    string // its id
	ACRValues []string
	MaxAge    *int64 // seconds; nil: none
	IP        netip.Addr
	// Header holds what a trusted proxy would say, by canonical name.
	Header map[string]string
}

// Explanation says which ACR a login would end with.
type Explanation struct {
	User   string `json:"user"`
	Client string `json:"client"`
	// Enrolled are the factors that the user has and that are usable.
	Enrolled []acr.Factor `json:"enrolled"`
	// ACR is the candidate that is chosen; "": none can be.
	ACR string `json:"acr,omitempty"`
	// Asked are the factors that the user is asked for, a step each.
	Asked [][]acr.Factor `json:"asked,omitempty"`
	// Fails is why the login cannot succeed; "": it can.
	Fails    acr.Reason    `json:"fails,omitempty"`
	Findings []acr.Finding `json:"findings"`
}

// ExplainLogin says which ACR a login of a user to a client would end with and
// why not the others. authn.ErrNoUser and oidc.ErrNotFound when there is no such
// user or client.
func (d *Directory) ExplainLogin(ctx context.Context, l Login) (Explanation, error) {
	u, err := d.loginUser(ctx, l.User)
	if err != nil {
		return Explanation{}, err
	}
	c, err := d.db.Client(ctx, l.Client)
	if err != nil {
		return Explanation{}, fmt.Errorf("client %s: %w", l.Client, err)
	}
	r, err := d.Provider.PlainRequirement(ctx, c, l.ACRValues, l.MaxAge)
	if err != nil {
		return Explanation{}, err
	}
	has, _, err := d.engine.Enrolments(ctx, u)
	if err != nil {
		return Explanation{}, err
	}
	x := acr.Context{Now: d.now(), User: u.ID, IP: l.IP, Header: l.Header}
	return explain(u, c, r, has, x), nil
}

func (d *Directory) loginUser(ctx context.Context, name string) (authn.User, error) {
	u, err := d.db.UserByLogin(ctx, name)
	if errors.Is(err, authn.ErrNoUser) {
		u, err = d.db.UserByID(ctx, name)
	}
	if err != nil {
		return u, fmt.Errorf("user %s: %w", name, err)
	}
	return u, nil
}

// explain decides for a user who has logged in with a first factor that the
// chosen candidate takes: before that, what a user lacks is told to nobody, but
// the operator asks.
func explain(u authn.User, c oidc.Client, r acr.Requirement, has []acr.Enrolment, x acr.Context) Explanation {
	out := Explanation{User: u.UserName, Client: c.ID}
	for _, e := range has {
		out.Enrolled = append(out.Enrolled, e.Factor)
	}
	var d acr.Decision
	d, out.Findings = acr.Explain(r, nil, has, x)
	for _, f := range out.Findings {
		if f.Chosen && (f.Role == acr.RoleCandidate || f.Role == acr.RoleFallback) {
			out.ACR = f.ACR
		}
		if out.Fails == "" && f.Chosen && !f.Met && !f.Reachable {
			out.Fails = acr.Unreachable
		}
	}
	switch d := d.(type) {
	case acr.Fail:
		out.Fails = d.Reason
	case acr.Prompt:
		if out.ACR == "" {
			out.Fails = acr.Unreachable
		}
		if out.Fails != "" {
			break
		}
		for _, s := range d.Steps {
			out.Asked = append(out.Asked, s.AnyOf)
		}
	case acr.Issue: // from nothing nothing is issued
	}
	return out
}
