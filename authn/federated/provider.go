package federated

import (
	"slices"
	"strings"
)

// Provider is an upstream with what the operator has set for it.
type Provider struct {
	ID   string // stands in URLs and links for good
	Name string // for people
	Kind Kind
	// Upstream speaks to it.
	Upstream Upstream
	// CallbackURL is ours, as it is registered there.
	CallbackURL string
	// Disabled takes it off every page and refuses answers that are under way.
	Disabled bool
	// Trust says what its word counts for.
	Trust Trust
	// LinkByEmail links an unknown identity to the one user who has its address,
	// if Trust.Email lets the address count.
	LinkByEmail bool
	// Create makes users of identities that nobody has; nil: nobody.
	Create *Creation
	// Callbacks are addresses of applications that may link by the API, beside
	// those that are registered for them.
	Callbacks []string
}

// Trust says what the word of a provider counts for. The zero value believes
// nothing but who somebody is there.
type Trust struct {
	// ACR lets acr, amr and the time of the login count, for the values below.
	ACR bool
	// ACRs and AMRs give the factors that a value stands for, by value: besides
	// "federated" itself, these count as shown.
	ACRs, AMRs map[string][]string
	// Email believes that an address is verified, if its domain is one of Domains.
	Email   bool
	Domains []string
}

// Creation is how users are made of identities.
type Creation struct {
	// Attributes give the name in Identity.Attributes that fills an attribute of
	// the user, by path of SCIM.
	Attributes map[string]string
	// Groups are ids of the groups that new users join.
	Groups []string
}

// Factors returns the further factors that the login there counts as, without
// doubles, and the methods that may stand in amr. Nothing counts for a provider
// that is not trusted for it, or for a value that is not in its map.
func (t Trust) Factors(id Identity) (factors, amr []string) {
	if !t.ACR {
		return nil, nil
	}
	add := func(more []string) {
		for _, f := range more {
			if !slices.Contains(factors, f) {
				factors = append(factors, f)
			}
		}
	}
	if id.ACR != "" {
		add(t.ACRs[id.ACR])
	}
	for _, m := range id.AMR {
		if of, ok := t.AMRs[m]; ok {
			add(of)
			if !slices.Contains(amr, m) {
				amr = append(amr, m)
			}
		}
	}
	return factors, amr
}

// Address returns the address of an identity if the operator believes it. One
// with a letter beyond ASCII never counts: some fold to a letter of another
// mailbox, such as the Kelvin sign to k.
func (t Trust) Address(id Identity) (string, bool) {
	if !t.Email || !id.EmailVerified || strings.ContainsFunc(id.Email, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", false
	}
	at := strings.LastIndexByte(id.Email, '@')
	if at <= 0 {
		return "", false
	}
	domain := id.Email[at+1:]
	return id.Email, slices.ContainsFunc(t.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

// Directory knows the providers.
type Directory interface {
	// Providers returns those that are set up, disabled ones too, in the order of
	// the pages.
	Providers() []Provider
}

// List is a Directory that does not change.
type List []Provider

// Providers implements Directory.
func (l List) Providers() []Provider { return l }

// Find returns a provider that is not disabled.
func Find(d Directory, id string) (Provider, bool) {
	if d == nil {
		return Provider{}, false
	}
	for _, p := range d.Providers() {
		if p.ID == id {
			return p, !p.Disabled
		}
	}
	return Provider{}, false
}
