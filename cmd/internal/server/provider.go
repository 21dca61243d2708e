package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// newProvider makes the OpenID Connect provider on the login engine.
func (d *Directory) newProvider(l *limits) error {
	policy, err := loginPolicy(d.cfg)
	if err != nil {
		return err
	}
	life := d.lifetimes()
	d.signing, err = keys.New(keys.Config{
		Store: d.db, Tx: d.db, Longest: max(life.AccessToken, life.IDToken), Now: d.now,
	})
	if err != nil {
		return fmt.Errorf("prepare signing keys: %w", err)
	}
	d.Provider, err = oidc.New(oidc.Config{
		Issuer: d.issuer, Engine: d.engine, Clients: d.db, Services: d.db, Grants: d.db, Consents: d.db,
		Pushed: d.db, Devices: d.db, Replays: d.db, Logouts: d.db, Sessions: d.db, Txns: d.db,
		Users: providerUsers{d.db}, Keys: d.signing, Tx: d.db, Audit: d.db, Policy: policy,
		Scopes: scopesOf(d.cfg.Scopes), Validated: d.claimValidated, Claims: d.cfg.Claims,
		Locales: []string{"en", "de", "fr", "es"}, Busy: func(err error) bool { return errors.Is(err, scim.ErrBusy) },
		Tries: clientTries{l.password}, Lifetimes: life, Registration: registrationOf(d.cfg.Registration),
		AllowPrivate: d.cfg.Backchannel.AllowPrivate, Logger: d.logger, Now: d.now,
	})
	if err != nil {
		return err
	}
	d.engine.Handle(oidc.PurposeAuthorize, d.Provider)
	d.engine.Handle(oidc.PurposeDevice, d.Provider)
	return nil
}

func (d *Directory) lifetimes() oidc.Lifetimes {
	t := d.cfg.Tokens
	return oidc.Lifetimes{
		Code: t.Code, AccessToken: t.AccessToken, IDToken: t.IDToken, RefreshIdle: t.RefreshIdle,
		RefreshAbsolute: t.RefreshAbsolute, Device: t.DeviceCode, DeviceInterval: t.DeviceInterval,
	}
}

func registrationOf(r config.Registration) oidc.Registration {
	out := oidc.Registration{Enabled: r.Enabled, Open: r.Open}
	if token := r.InitialAccessToken.Reveal(); token != "" {
		out.Token = oidc.HashOf(token)
	}
	return out
}

// scopesOf are the scopes of the settings, by name.
func scopesOf(scopes map[string]config.Scope) []oidc.ServiceScope {
	out := make([]oidc.ServiceScope, 0, len(scopes))
	for _, name := range slices.Sorted(maps.Keys(scopes)) {
		s := scopes[name]
		out = append(out, oidc.ServiceScope{
			Name: name, Description: s.Description, ConsentPrompt: s.ConsentPrompt,
			RequiredACR: s.RequiredACR, FreshAtConsent: s.FreshAtConsent,
		})
	}
	return out
}

// startProvider makes what a running server needs of the provider: signing keys
// and the resource servers of the settings.
func (d *Directory) startProvider(ctx context.Context) error {
	if err := d.signing.Start(ctx); err != nil {
		return fmt.Errorf("prepare signing keys: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Services)) {
		if err := d.keepService(ctx, name, d.cfg.Services[name]); err != nil {
			return fmt.Errorf("services: %s: %w", name, err)
		}
	}
	return nil
}

// rotateSigningKeys moves the signing keys on as often as the janitor sweeps,
// until ctx ends. Any number of nodes may do so: one of them wins each step.
func (d *Directory) rotateSigningKeys(ctx context.Context) {
	tick := time.NewTicker(janitorEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, err := d.signing.Rotate(ctx); err != nil && ctx.Err() == nil {
			d.logger.WarnContext(ctx, "rotate signing keys", "error", err)
		}
	}
}

// keepService brings a resource server in step with the settings. Its
// introspection credential stays; a new one has none that anybody knows until
// it is rotated.
func (d *Directory) keepService(ctx context.Context, name string, s config.Service) error {
	by := audit.Party{Type: "command", Name: "settings"}
	want := oidc.Service{Name: name, Audience: s.Audience, Scopes: scopesOf(s.Scopes)}
	known, err := d.db.Services(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(known, func(k oidc.Service) bool { return k.Name == name })
	switch {
	case i < 0:
		_, _, err = d.Provider.CreateService(ctx, by, want)
	case known[i].Audience != want.Audience || !slices.Equal(known[i].Scopes, want.Scopes):
		_, err = d.Provider.UpdateService(ctx, by, name, func(k *oidc.Service) error {
			k.Audience, k.Scopes = want.Audience, want.Scopes
			return nil
		})
	}
	return err
}

// providerUsers gives the provider users and their groups.
type providerUsers struct{ *storage.DB }

// Groups implements [oidc.Users].
func (u providerUsers) Groups(ctx context.Context, userID string) ([]oidc.Group, error) {
	found, err := u.DB.Groups(ctx, []string{userID}, "")
	if err != nil {
		return nil, err
	}
	out := make([]oidc.Group, 0, len(found[userID]))
	for _, m := range found[userID] {
		out = append(out, oidc.Group{ID: m.Group, Name: m.Display})
	}
	return out, nil
}

// claimValidated reports whether a user has proved to hold an address: it is
// the value of a configured path, and validated there.
func (d *Directory) claimValidated(ctx context.Context, u authn.User, claim, value string) (bool, error) {
	kind := validation.EnrolledEmail
	normal, err := delivery.ParseEmail(value)
	if claim != "email" {
		kind = validation.EnrolledPhone
		var phone delivery.Phone
		phone, err = delivery.ParsePhone(value)
		normal = phone.E164
	}
	if err != nil {
		return false, nil //nolint:nilerr // what is no address was never proved
	}
	reader := validation.EnrolledReader{Paths: d.follower.Paths, Records: d.db, Secrets: d.db}
	enrolled, err := reader.Enrolled(ctx, u.ID, u.Object)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(enrolled, func(e validation.Enrolled) bool { return e.Kind == kind && e.Value == normal }), nil
}

// clientTries counts failures of clients beside those of passwords, by client
// and network: failures from elsewhere slow nobody down. There is no ceiling,
// since nothing would ever lift it.
type clientTries struct{ tries *throttle.Passwords }

// ipv6Network is the length of the prefix within which one host chooses its
// address at will.
const ipv6Network = 64

// ClientFailed implements [oidc.ClientTries].
func (c clientTries) ClientFailed(ctx context.Context, clientID string, ip netip.Addr) (time.Duration, error) {
	network, err := ip.Unmap().WithZone("").Prefix(min(ip.Unmap().BitLen(), ipv6Network))
	if err != nil {
		network = netip.Prefix{} // not known
	}
	d, err := c.tries.Attempt(ctx, throttle.Try{
		Account: "client:" + network.String() + ":" + clientID, IP: ip, Known: true,
	})
	if err != nil {
		return 0, err
	}
	return d.RetryAfter, nil
}

// providerTokens is the authenticator of the SCIM service: its own tokens, and
// the provider's access tokens.
type providerTokens struct {
	own      *scim.TokenAuthenticator
	provider func() *oidc.Provider // made after the SCIM service
	clients  oidc.ClientStore
	profile  string // of clients without one
	issuer   string
}

var _ scim.Authenticator = providerTokens{}

func (d *Directory) authenticator(issuer string) scim.Authenticator {
	return providerTokens{
		own: d.auth, provider: func() *oidc.Provider { return d.Provider }, clients: d.db,
		profile: d.cfg.SCIM.DefaultProfile, issuer: issuer,
	}
}

// Authenticate implements [scim.Authenticator]. Both kinds of tokens have 256
// random bits or a signature, so which is asked first tells nothing.
func (t providerTokens) Authenticate(ctx context.Context, bearer string) (scim.Caller, error) {
	caller, err := t.own.Authenticate(ctx, bearer)
	if e, refused := errors.AsType[*scim.Error](err); !refused || e.Status != 401 || t.provider() == nil {
		return caller, err
	}
	// A DPoP-bound token is refused here: the service takes bearer tokens (RFC
	// 9449 section 7.2).
	access, err := t.provider().AccessToken(ctx, oidc.Presented{
		Scheme: "Bearer", Token: bearer, Audience: t.issuer + scimPath,
	})
	if _, refused := errors.AsType[*oidc.Error](err); refused {
		return scim.Caller{}, scim.InvalidToken()
	}
	if err != nil {
		return scim.Caller{}, fmt.Errorf("judge access token: %w", err)
	}
	return t.caller(ctx, access)
}

// caller is who an access token speaks for: a user through a client, or the
// client itself.
func (t providerTokens) caller(ctx context.Context, a oidc.AccessInfo) (scim.Caller, error) {
	client, err := t.clients.Client(ctx, a.Grant.ClientID)
	if errors.Is(err, oidc.ErrNotFound) {
		return scim.Caller{}, scim.InvalidToken()
	}
	if err != nil {
		return scim.Caller{}, fmt.Errorf("look up client: %w", err)
	}
	name := client.Profile
	if name == "" {
		name = t.profile
	}
	profile, ok := scim.ProfileByName(name)
	if !ok {
		return scim.Caller{}, fmt.Errorf("client %s: no client profile %q", client.ID, name)
	}
	caller := scim.Caller{
		// Rate and brake count per client, however many tokens it takes.
		TokenID: "client:" + client.ID, Name: client.Name, Scopes: a.Scopes, Profile: &profile, Domain: client.Domain,
		ClientID: client.ID, PublicClient: client.Public(), ActorType: "client",
	}
	if caller.Name == "" {
		caller.Name = client.ID
	}
	if a.Grant.UserID != "" {
		caller.TokenID, caller.ActorType = "grant:"+a.Grant.ID, "user"
		caller.UserID, caller.SessionID = a.Grant.UserID, a.Grant.SessionID
	}
	return caller, nil
}
