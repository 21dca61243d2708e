package validation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
)

const (
	identityURN          = messagePrefix + "ExternalIdentity"
	identityResourceType = "External Identity"
)

// ExternalProvider is a provider elsewhere, with the account there that is a
// user's.
type ExternalProvider struct {
	ID, Name, Description, IconURL string
	// Type is facebook, google, oidc or saml; another one is shown as oidc.
	Type string
	// Subject is the account there, "" for none.
	Subject  string
	LinkedAt time.Time
}

// What linking is refused for.
var (
	ErrIdentityUnknown  = errors.New("there is no such provider")
	ErrIdentityTaken    = errors.New("the account is linked already")
	ErrIdentityOver     = errors.New("the request to link is over")
	ErrIdentityCallback = errors.New("the address is not registered")
	// ErrIdentityPage: the provider answers to a page of ours only.
	ErrIdentityPage = errors.New("the account is linked on a page")
)

// IdentityRefusedError says that a provider, or the person there, said no.
type IdentityRefusedError struct{ Reason string }

// Error implements error.
func (e *IdentityRefusedError) Error() string { return "the provider refused: " + e.Reason }

// Identities links accounts at providers elsewhere. A caller is that of the
// token, whose rights were checked.
type Identities interface {
	// Providers lists those that there are.
	Providers(ctx context.Context, userID string) ([]ExternalProvider, error)
	// BeginLink returns where the browser goes, and the name of the request.
	// ErrIdentityUnknown, ErrIdentityCallback, ErrIdentityPage, *IdentityRefusedError.
	BeginLink(ctx context.Context, caller scim.Caller, userID, provider, callback string) (to, request string, err error)
	// FinishLink takes the answer, once, from the caller that began.
	// ErrIdentityOver, ErrIdentityTaken, *IdentityRefusedError.
	FinishLink(ctx context.Context, caller scim.Caller, userID, request string, answer url.Values) error
	// Unlink returns ErrIdentityUnknown when there is nothing to unlink.
	Unlink(ctx context.Context, caller scim.Caller, userID, provider string) error
}

// identityProvider is the member provider.
type identityProvider struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	IconURL     string `json:"iconUrl,omitempty"`
	Type        string `json:"type"`
	Binding     string `json:"samlResponseBinding,omitempty"`
}

// identityRecord is one provider, or a request to link.
type identityRecord struct {
	Schemas     []string         `json:"schemas"`
	ID          string           `json:"id"`
	Meta        meta             `json:"meta"`
	Provider    identityProvider `json:"provider"`
	UserID      string           `json:"providerUserId,omitempty"`
	RedirectURL string           `json:"providerRedirectUrl,omitempty"`
	CallbackURL string           `json:"callbackUrl,omitempty"`
}

// identityRequest is what is posted and put.
type identityRequest struct {
	Provider   string
	Callback   string
	Parameters url.Values
}

func (r routes) identities() {
	s := r.s
	if s.cfg.Identities == nil {
		return
	}
	e := endpoint{name: "externalIdentities", status: http.StatusOK, own: "manage_external_identities", admin: "external_identities"}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.listIdentities))
	r.add(http.MethodGet, e.name+"/:key", call(s, e, noBody, s.showIdentity))
	r.add(http.MethodPut, e.name+"/:key", call(s, e, decodeIdentity, s.finishIdentity))
	e.fresh, e.status = true, http.StatusCreated
	r.add(http.MethodPost, e.name, call(s, e, decodeIdentity, s.startIdentity))
	e.status = http.StatusNoContent
	r.add(http.MethodDelete, e.name+"/:key", call(s, e, noBody, s.removeIdentity))
}

// factorIdentity is the name of links in states and epochs.
const factorIdentity = "external_identity"

func decodeIdentity(m *members) (identityRequest, error) {
	m.message(identityURN)
	provider, answer := m.object("provider"), m.object("callbackParameters")
	req := identityRequest{Provider: provider.text("name"), Callback: m.text("callbackUrl"), Parameters: url.Values{}}
	// Names of parameters have a case, so they are taken as they were sent.
	raw, _ := m.get("callbackParameters")
	if o, ok := raw.(schema.Object); ok {
		for name, v := range o {
			text, isText := v.(string)
			if !isText {
				return req, invalidValue("callbackParameters." + name + " must be a JSON string.")
			}
			req.Parameters.Set(name, text)
		}
	}
	return req, m.done(provider, answer)
}

// location implements located.
func (r identityRecord) location() string { return r.Meta.Location }

func identityReply(t Target, key string, p ExternalProvider) identityRecord {
	typ := p.Type
	if typ != "facebook" && typ != "google" && typ != "saml" {
		typ = "oidc"
	}
	r := identityRecord{
		Schemas: []string{identityURN}, ID: key, UserID: p.Subject,
		Meta:     meta{ResourceType: identityResourceType, Created: dateTimeOrNone(p.LinkedAt), Location: t.Location(key)},
		Provider: identityProvider{Name: p.Name, Description: p.Description, IconURL: p.IconURL, Type: typ},
	}
	if typ == "saml" {
		r.Provider.Binding = "post"
	}
	return r
}

func (s *Service) listIdentities(ctx context.Context, t Target, _ none) (listReply[identityRecord], error) {
	reply := listReply[identityRecord]{Schemas: []string{listURN}}
	if t.parameter("filter") != "" {
		return reply, scim.NewError(http.StatusBadRequest, scim.TypeInvalidFilter, "This list takes no filter.")
	}
	all, err := s.cfg.Identities.Providers(ctx, t.User.ID)
	if err != nil {
		return reply, fmt.Errorf("list external identities: %w", err)
	}
	start, page, err := paged(t, all)
	if err != nil {
		return reply, err
	}
	reply.TotalResults, reply.StartIndex, reply.ItemsPerPage = len(all), start, len(page)
	reply.Resources = make([]identityRecord, 0, len(page))
	for _, p := range page {
		reply.Resources = append(reply.Resources, identityReply(t, p.ID, p))
	}
	return reply, nil
}

func (s *Service) showIdentity(ctx context.Context, t Target, _ none) (identityRecord, error) {
	p, err := s.externalProvider(ctx, t, func(p ExternalProvider) bool { return p.ID == t.Key })
	if err != nil {
		return identityRecord{}, err
	}
	return identityReply(t, p.ID, p), nil
}

func (s *Service) externalProvider(ctx context.Context, t Target, is func(ExternalProvider) bool) (ExternalProvider, error) {
	all, err := s.cfg.Identities.Providers(ctx, t.User.ID)
	if err != nil {
		return ExternalProvider{}, fmt.Errorf("list external identities: %w", err)
	}
	for _, p := range all {
		if is(p) {
			return p, nil
		}
	}
	return ExternalProvider{}, notFound()
}

// startIdentity is POST: it says where the browser of the user goes.
func (s *Service) startIdentity(ctx context.Context, t Target, req identityRequest) (identityRecord, error) {
	switch {
	case req.Provider == "":
		return identityRecord{}, required("provider.name")
	case req.Callback == "":
		return identityRecord{}, required("callbackUrl")
	}
	p, err := s.externalProvider(ctx, t, func(p ExternalProvider) bool { return p.ID == req.Provider || p.Name == req.Provider })
	if err != nil {
		return identityRecord{}, invalidValue("provider.name is not one of the providers of this list.")
	}
	to, request, err := s.cfg.Identities.BeginLink(ctx, t.Caller, t.User.ID, p.ID, req.Callback)
	if err != nil {
		return identityRecord{}, identityFault(err)
	}
	now := s.now().Truncate(time.Second)
	claims := state.Claims{
		JTI: state.NewJTI(), Kind: state.KindLink, Subject: t.User.ID, IssuedAt: now, ExpiresAt: now.Add(state.MaxLife),
		Actor: actor(t.Caller), Path: factorIdentity, Value: request, Provider: p.ID,
	}
	if claims.CredentialEpoch, claims.FactorEpoch, err = s.cfg.Records.Epochs(ctx, t.User.ID, factorIdentity); err != nil {
		return identityRecord{}, err
	}
	token, err := s.cfg.States.Mint(ctx, claims)
	if err != nil {
		return identityRecord{}, err
	}
	r := identityReply(t, token.Reveal(), p)
	r.UserID, r.Meta.Created, r.RedirectURL, r.CallbackURL = "", "", to, req.Callback
	return r, nil
}

// finishIdentity is PUT of a state with what the provider sent to the call-back.
func (s *Service) finishIdentity(ctx context.Context, t Target, req identityRequest) (identityRecord, error) {
	claims, err := s.open(ctx, t, state.KindLink, t.Key)
	if err != nil {
		return identityRecord{}, err
	}
	switch {
	case claims.Path != factorIdentity:
		return identityRecord{}, stateInvalid()
	case claims.Expired(s.now()):
		return identityRecord{}, stateExpired()
	}
	if len(req.Parameters) == 0 {
		return identityRecord{}, required("callbackParameters")
	}
	credential, factor, err := s.cfg.Records.Epochs(ctx, t.User.ID, factorIdentity)
	if err != nil {
		return identityRecord{}, err
	}
	if credential != claims.CredentialEpoch || factor != claims.FactorEpoch {
		return identityRecord{}, accountChanged()
	}
	if err := s.cfg.Identities.FinishLink(ctx, t.Caller, t.User.ID, claims.Value, req.Parameters); err != nil {
		return identityRecord{}, identityFault(err)
	}
	p, err := s.externalProvider(ctx, t, func(p ExternalProvider) bool { return p.ID == claims.Provider })
	if err != nil {
		return identityRecord{}, err
	}
	return identityReply(t, p.ID, p), nil
}

func (s *Service) removeIdentity(ctx context.Context, t Target, _ none) (none, error) {
	if _, err := s.externalProvider(ctx, t, func(p ExternalProvider) bool { return p.ID == t.Key }); err != nil {
		return none{}, err
	}
	err := s.cfg.Identities.Unlink(ctx, t.Caller, t.User.ID, t.Key)
	if errors.Is(err, ErrIdentityUnknown) {
		return none{}, nil // there is none any more, as after a second try
	}
	return none{}, err
}

// identityFault is what a client is told.
func identityFault(err error) error {
	refused, ok := errors.AsType[*IdentityRefusedError](err)
	switch {
	case errors.Is(err, ErrIdentityTaken):
		return scim.NewError(http.StatusConflict, scim.TypeUniqueness, "This account at the provider belongs to a user already, or the user has another one there.")
	case errors.Is(err, ErrIdentityUnknown):
		return invalidValue("provider.name is not one of the providers of this list.")
	case errors.Is(err, ErrIdentityCallback):
		return invalidValue("callbackUrl is not registered for this application.")
	case errors.Is(err, ErrIdentityPage):
		return invalidValue("An account at this provider is linked on the security page of the user's account.")
	case errors.Is(err, ErrIdentityOver):
		return invalidValue("The request to link is over, was answered, or is not yours. Start again with POST.")
	case ok && refused.Reason == "upstream_down":
		return scim.NewError(http.StatusServiceUnavailable, "", "The provider does not answer. Try again later.").WithRetryAfter(unavailableRetry)
	case ok:
		return invalidValue("The provider did not confirm the account (" + refused.Reason + "). Start again with POST.")
	}
	return err
}

// IdentityLinked announces that an account elsewhere was linked or is no more.
func (f *Follower) IdentityLinked(ctx context.Context, caller scim.Caller, userID string, user schema.Object, linked bool) error {
	kind := delivery.NoticeIdentityUnlinked
	if linked {
		kind = delivery.NoticeIdentityLinked
	}
	return f.announce(ctx, caller, userID, user, kind)
}
