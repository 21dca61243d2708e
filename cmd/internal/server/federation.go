package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// FederationPath is where providers elsewhere answer, below the issuer.
const FederationPath = "/federation/"

// newFederation makes the providers of the settings. It asks none of them
// anything: one that is down keeps nobody from starting.
func (d *Directory) newFederation(ctx context.Context) (*authn.Federation, error) {
	var list federated.List
	for _, c := range d.cfg.IdentityProviders {
		p, err := d.newIdentityProvider(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("identity_providers: %s: %w", c.ID, err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		return nil, nil
	}
	d.providers = list
	return &authn.Federation{
		Providers: list, Links: d.db, Requests: d.db, Answers: d.db, UserByEmail: d.db.UserByEmail,
		Create: d.createFederated, Changed: d.linkChanged,
	}, nil
}

func (d *Directory) newIdentityProvider(ctx context.Context, c config.IdentityProvider) (federated.Provider, error) {
	p := federated.Provider{
		ID: c.ID, Name: c.Title(), Kind: federated.Kind(c.Type), Disabled: c.Disabled,
		CallbackURL: d.issuer + FederationPath + c.ID + "/callback",
		Trust:       federated.Trust{ACR: c.TrustACR, ACRs: c.ACRMap, AMRs: c.AMRMap, Email: c.TrustEmail, Domains: c.Domains},
		LinkByEmail: c.Link == config.LinkVerifiedEmail, Callbacks: c.Callbacks,
	}
	if c.Create.Enabled {
		p.Create = &federated.Creation{Attributes: c.Create.Attributes, Groups: c.Create.Groups}
		if err := d.checkCreation(*p.Create); err != nil {
			return p, err
		}
	}
	var err error
	p.Upstream, err = d.newUpstream(ctx, c)
	return p, err
}

func (d *Directory) newUpstream(ctx context.Context, c config.IdentityProvider) (federated.Upstream, error) {
	if c.Type == config.ProviderSAML {
		return d.newSAML(ctx, c)
	}
	secret, err := clientSecret(c)
	if err != nil {
		return nil, err
	}
	if c.Type == config.ProviderFacebook {
		return federated.NewFacebook(federated.FacebookConfig{
			ClientID: c.ClientID, ClientSecret: secret, Version: c.APIVersion, Scopes: c.Scopes,
			Dialog: c.DialogURL, Graph: c.GraphURL, AllowPrivate: c.AllowPrivate, Now: d.now,
		})
	}
	return federated.NewOIDC(federated.OIDCConfig{
		Kind: federated.Kind(c.Type), Issuer: c.Issuer, Tenant: c.Tenant, Tenants: c.Tenants, ClientID: c.ClientID,
		ClientSecret: secret, AuthMethod: c.AuthMethod, Scopes: c.Scopes, ACRValues: c.ACRValues, Algorithms: c.Algorithms,
		FormPost: c.FormPost, UserInfo: c.UserInfo, AllowPrivate: c.AllowPrivate, Now: d.now,
	})
}

// clientSecret is the secret of the settings, or of the file that they name.
func clientSecret(c config.IdentityProvider) (string, error) {
	if c.ClientSecretFile == "" {
		return c.ClientSecret.Reveal(), nil
	}
	text, err := os.ReadFile(c.ClientSecretFile)
	if err != nil {
		return "", fmt.Errorf("client_secret_file %s: %w", c.ClientSecretFile, cause(err))
	}
	secret := strings.TrimSpace(string(text))
	if secret == "" {
		return "", fmt.Errorf("client_secret_file %s is empty", c.ClientSecretFile)
	}
	return secret, nil
}

// checkCreation finds attributes that there are not, at the start and not at the
// first login.
func (d *Directory) checkCreation(c federated.Creation) error {
	for path := range c.Attributes {
		ref, err := d.userPath(path)
		if err != nil {
			return fmt.Errorf("create.attributes: %w", err)
		}
		if t := ref.Target(); t.Type == schema.Complex && t.SubAttribute("value") == nil {
			return fmt.Errorf("create.attributes: %s has parts: name one of them, such as name.givenName", path)
		}
	}
	return nil
}

// userPath resolves the path of an attribute of users.
func (d *Directory) userPath(path string) (schema.Ref, error) {
	rt := d.Registry.ByName("User")
	ref, err := rt.LookupPath(path, schema.Policy{})
	if err != nil {
		return ref, fmt.Errorf("%s is no attribute of users", path)
	}
	if ref.Target() == nil || ref.Target().Mutability == schema.ReadOnly {
		return ref, fmt.Errorf("%s cannot be written", path)
	}
	return ref, nil
}

// createFederated makes the user of an identity that nobody has, by the rules of
// the directory, in the transaction of the login.
func (d *Directory) createFederated(ctx context.Context, p federated.Provider, id federated.Identity) (authn.User, error) {
	body := schema.Object{"active": true}
	for path, from := range p.Create.Attributes {
		values := id.Attributes[from]
		if len(values) == 0 {
			continue
		}
		ref, err := d.userPath(path)
		if err != nil {
			return authn.User{}, err
		}
		put(body, ref, values)
	}
	caller := scim.Caller{ActorType: "provider", Name: p.ID, Scopes: []string{scim.ScopeAdmin}}
	rt := d.Registry.ByName("User")
	why, err := d.claims(ctx, p, id, body)
	if err != nil {
		return authn.User{}, err
	}
	if why != "" {
		d.logger.WarnContext(ctx, "user of a provider was not made", "provider", p.ID, "reason", why)
		return authn.User{}, authn.ErrNoUser
	}
	made, err := d.Service.Create(ctx, caller, rt, body, scim.Request{})
	if err != nil {
		if refused(err) {
			d.logger.WarnContext(ctx, "user of a provider was not made", "provider", p.ID, "error", err)
			return authn.User{}, authn.ErrNoUser
		}
		return authn.User{}, err
	}
	for _, group := range p.Create.Groups {
		if err := d.joinGroup(ctx, caller, group, made.ID); err != nil {
			return authn.User{}, err
		}
	}
	return d.db.UserByID(ctx, made.ID)
}

// claims says why a new user would go by what is another user's: by a name or
// address that logs somebody in already, or by an address that nobody vouches for,
// by which a provider would find its owner; "" if it would not.
func (d *Directory) claims(ctx context.Context, p federated.Provider, id federated.Identity, body schema.Object) (string, error) {
	name, _ := body["userName"].(string)
	names := []string{name}
	vouched, _ := p.Trust.Address(id)
	emails, _ := body["emails"].([]any)
	for _, item := range emails {
		o, _ := item.(schema.Object)
		address, _ := o["value"].(string)
		if !strings.EqualFold(address, vouched) && d.linksBy(address) {
			return "the address is of a domain by which users are linked, and the provider has not verified it", nil
		}
		names = append(names, address)
	}
	for _, name := range names {
		if strings.ContainsFunc(name, unicode.IsControl) {
			continue // nobody is called so, and the directory refuses it
		}
		_, err := d.db.UserByLogin(ctx, name)
		if err != nil && !errors.Is(err, authn.ErrNoUser) {
			return "", err
		}
		known, kerr := d.db.UsersByAddress(ctx, name, 1)
		if kerr != nil {
			return "", kerr
		}
		if err == nil || len(known) > 0 {
			return "the user name or address is another user's", nil
		}
	}
	return "", nil
}

// linksBy reports whether some provider links by addresses of this domain.
func (d *Directory) linksBy(address string) bool {
	domain := address[strings.LastIndexByte(address, '@')+1:]
	return slices.ContainsFunc(d.providers, func(p federated.Provider) bool {
		return p.LinkByEmail && slices.ContainsFunc(p.Trust.Domains, func(one string) bool { return strings.EqualFold(one, domain) })
	})
}

// refused reports whether the directory has said no to a new user, other than
// for what is wrong with the server.
func refused(err error) bool {
	e := scim.AsError(err)
	return e.Status >= 400 && e.Status < 500
}

// put writes values at a path of a new document.
func put(body schema.Object, ref schema.Ref, values []string) {
	into := body
	if ref.URN != "" {
		into = child(body, ref.URN)
	}
	name := ref.Attr.Name
	switch {
	case ref.Attr.MultiValued && ref.Attr.Type == schema.Complex:
		sub := "value"
		if ref.Sub != nil {
			sub = ref.Sub.Name
		}
		list, _ := into[name].([]any)
		for i, v := range values {
			item := schema.Object{sub: v}
			if i == 0 && len(list) == 0 && ref.Attr.SubAttribute("primary") != nil {
				item["primary"] = true
			}
			list = append(list, item)
		}
		into[name] = list
	case ref.Attr.MultiValued:
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = typed(ref.Attr, v)
		}
		into[name] = list
	case ref.Sub != nil:
		child(into, name)[ref.Sub.Name] = typed(ref.Sub, values[0])
	case ref.Attr.Type == schema.Complex:
		child(into, name)["value"] = values[0]
	default:
		into[name] = typed(ref.Attr, values[0])
	}
}

func child(of schema.Object, name string) schema.Object {
	c, ok := of[name].(schema.Object)
	if !ok {
		c = schema.Object{}
		of[name] = c
	}
	return c
}

func typed(a *schema.Attribute, text string) any {
	if a.Type == schema.Boolean {
		return text == "true"
	}
	return text
}

// joinGroup makes a user a member. A group that is gone keeps nobody from logging
// in, but is said in the log.
func (d *Directory) joinGroup(ctx context.Context, caller scim.Caller, group, user string) error {
	_, err := d.Service.Patch(ctx, caller, d.Registry.ByName("Group"), group, schema.Object{
		"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:PatchOp"},
		"Operations": []any{schema.Object{
			"op": "add", "path": "members", "value": []any{schema.Object{"value": user}},
		}},
	}, scim.Request{})
	if errors.Is(err, scim.ErrNotFound) {
		d.logger.WarnContext(ctx, "group of new users is not there", "provider", caller.Name, "group", group)
		return nil
	}
	return err
}

// linkChanged tells a user that an account elsewhere was linked or is no more.
func (d *Directory) linkChanged(ctx context.Context, u authn.User, ip string, linked bool) error {
	return d.follower.IdentityLinked(ctx, scim.Caller{ActorType: "user", UserID: u.ID, IP: ip}, u.ID, u.Object, linked)
}

// IdentityProviders are those of the settings.
func (d *Directory) IdentityProviders() []federated.Provider { return slices.Clone(d.providers) }
