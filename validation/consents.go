package validation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

const (
	consentURN          = messagePrefix + "consent"
	consentResourceType = "Consent"
	historyURN          = messagePrefix + "consentHistory"
	historyResourceType = "Consent History"
)

// Consent is what a user has said to an application. ID names the application.
type Consent struct {
	ID     string
	Client ConsentClient
	Scopes []ConsentScope
	At     time.Time
}

// ConsentClient is an application as users know it; "" for what it has not said.
type ConsentClient struct {
	Name         string `json:"name"`
	Description  string `json:"description,omitempty"`
	URL          string `json:"url,omitempty"`
	IconURL      string `json:"iconUrl,omitempty"`
	EmailAddress string `json:"emailAddress,omitempty"`
}

// ConsentScope is one scope with what the user said about it: "granted",
// "denied" or "revoked".
type ConsentScope struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Prompt      string `json:"consentPromptText,omitempty"`
	Consent     string `json:"consent"`
}

// ConsentStore keeps consents. Every method joins the transaction of ctx.
type ConsentStore interface {
	// UserConsents returns what a user has said, by application.
	UserConsents(ctx context.Context, userID string) ([]Consent, error)
	// UserConsentHistory returns every change, oldest first.
	UserConsentHistory(ctx context.Context, userID string) ([]Consent, error)
	// ChangeConsent changes what was said about these scopes, by scope. Tokens of
	// the application end when it loses one. scim.ErrNotFound: there is no such
	// consent.
	ChangeConsent(ctx context.Context, userID, id string, said map[string]string, now time.Time) error
	// WithdrawConsent forgets it and ends the tokens of the application; it
	// reports whether there was one.
	WithdrawConsent(ctx context.Context, userID, id string, now time.Time) (bool, error)
}

// consentRecord is a consent, or one line of its history.
type consentRecord struct {
	Schemas []string       `json:"schemas"`
	ID      string         `json:"id"`
	Meta    meta           `json:"meta"`
	Client  ConsentClient  `json:"client"`
	Scopes  []ConsentScope `json:"scopes"`
}

// consents adds the sub-resources consents and consentHistory.
func (r routes) consents() {
	s := r.s
	if s.cfg.Consents == nil {
		return
	}
	e := endpoint{name: "consents", status: http.StatusOK, own: "manage_consents", admin: "consents"}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.listConsents))
	r.add(http.MethodGet, e.name+"/:key", call(s, e, noBody, s.showConsent))
	r.add(http.MethodPut, e.name+"/:key", call(s, e, decodeConsent, s.changeConsent))
	e.status = http.StatusNoContent
	r.add(http.MethodDelete, e.name+"/:key", call(s, e, noBody, s.withdrawConsent))
	e.name, e.status = "consentHistory", http.StatusOK
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.listConsentHistory))
}

func (s *Service) listConsents(ctx context.Context, t Target, _ none) (listReply[consentRecord], error) {
	all, err := s.cfg.Consents.UserConsents(ctx, t.User.ID)
	if err != nil {
		return listReply[consentRecord]{}, fmt.Errorf("list consents: %w", err)
	}
	return consentList(t, all, consentItem)
}

func (s *Service) listConsentHistory(ctx context.Context, t Target, _ none) (listReply[consentRecord], error) {
	all, err := s.cfg.Consents.UserConsentHistory(ctx, t.User.ID)
	if err != nil {
		return listReply[consentRecord]{}, fmt.Errorf("list consent history: %w", err)
	}
	return consentList(t, all, historyItem)
}

func consentList(t Target, all []Consent, item func(Target, Consent) consentRecord) (listReply[consentRecord], error) {
	reply := listReply[consentRecord]{Schemas: []string{listURN}}
	if t.parameter("filter") != "" {
		return reply, scim.NewError(http.StatusBadRequest, scim.TypeInvalidFilter, "This list takes no filter.")
	}
	start, page, err := paged(t, all)
	if err != nil {
		return reply, err
	}
	reply.TotalResults, reply.StartIndex, reply.ItemsPerPage = len(all), start, len(page)
	reply.Resources = make([]consentRecord, 0, len(page))
	for _, one := range page {
		reply.Resources = append(reply.Resources, item(t, one))
	}
	return reply, nil
}

func consentItem(t Target, c Consent) consentRecord {
	return consentRecord{
		Schemas: []string{consentURN}, ID: c.ID, Client: c.Client, Scopes: scopesOf(c),
		Meta: meta{ResourceType: consentResourceType, LastModified: dateTime(c.At), Location: t.Location(c.ID)},
	}
}

func historyItem(t Target, c Consent) consentRecord {
	return consentRecord{
		Schemas: []string{historyURN}, ID: c.ID, Client: c.Client, Scopes: scopesOf(c),
		Meta: meta{ResourceType: historyResourceType, Created: dateTime(c.At), Location: t.Location("")},
	}
}

// scopesOf keeps an empty list a list.
func scopesOf(c Consent) []ConsentScope { return append([]ConsentScope{}, c.Scopes...) }

func (s *Service) showConsent(ctx context.Context, t Target, _ none) (consentRecord, error) {
	all, err := s.cfg.Consents.UserConsents(ctx, t.User.ID)
	if err != nil {
		return consentRecord{}, fmt.Errorf("read consent: %w", err)
	}
	for _, one := range all {
		if one.ID == t.Key {
			return consentItem(t, one), nil
		}
	}
	return consentRecord{}, notFound()
}

// decodeConsent reads what is said about scopes; all other members are
// read-only and ignored, for clients send the whole record back.
func decodeConsent(m *members) (map[string]string, error) {
	if m == nil {
		return nil, scim.NewError(http.StatusBadRequest, scim.TypeInvalidSyntax, "The request needs a body.")
	}
	m.message(consentURN)
	said := make(map[string]string)
	list, _ := m.get("scopes")
	scopes, isList := list.([]any)
	if list != nil && !isList {
		m.wrong("scopes", "a list")
	}
	for _, one := range scopes {
		o, isObject := one.(schema.Object)
		if !isObject {
			m.wrong("scopes", "a list of JSON objects")
			break
		}
		scope := newMembers(o)
		scope.prefix = "scopes."
		name, consent := scope.text("name"), strings.ToLower(scope.text("consent"))
		if scope.fault == nil && !slices.Contains([]string{"", "granted", "denied", "revoked"}, consent) {
			scope.fault = invalidValue("scopes.consent must be granted, denied or revoked.")
		}
		if err := m.done(scope); err != nil {
			return nil, err
		}
		if name != "" && consent != "" {
			said[name] = consent
		}
	}
	return said, m.done()
}

// changeConsent changes what the user has said about scopes of a consent.
func (s *Service) changeConsent(ctx context.Context, t Target, said map[string]string) (consentRecord, error) {
	var out consentRecord
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		before, err := s.showConsent(ctx, t, none{})
		if err != nil {
			return err
		}
		changed, err := changedScopes(before.Scopes, said)
		if out = before; err != nil || len(changed) == 0 {
			return err
		}
		if err := s.cfg.Consents.ChangeConsent(ctx, t.User.ID, t.Key, changed, s.now()); err != nil {
			return fmt.Errorf("change consent: %w", err)
		}
		if out, err = s.showConsent(ctx, t, none{}); err != nil {
			return err
		}
		name := audit.ConsentGranted
		for _, consent := range changed {
			if consent != "granted" {
				name = audit.ConsentRevoked
			}
		}
		return s.consentEvent(ctx, t, name, changed)
	})
	return out, err
}

// changedScopes are those about which something else is said than before.
func changedScopes(before []ConsentScope, said map[string]string) (map[string]string, error) {
	changed := make(map[string]string)
	for name, consent := range said {
		i := slices.IndexFunc(before, func(c ConsentScope) bool { return c.Name == name })
		if i < 0 {
			return nil, invalidValue("scopes.name must be a scope of this consent.")
		}
		if before[i].Consent != consent {
			changed[name] = consent
		}
	}
	return changed, nil
}

// withdrawConsent forgets a consent and ends the tokens of its application.
func (s *Service) withdrawConsent(ctx context.Context, t Target, _ none) (none, error) {
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		was, err := s.cfg.Consents.WithdrawConsent(ctx, t.User.ID, t.Key, s.now())
		if err != nil && !errors.Is(err, scim.ErrNotFound) {
			return fmt.Errorf("withdraw consent: %w", err)
		}
		if err != nil || !was {
			return notFound()
		}
		return s.consentEvent(ctx, t, audit.ConsentRevoked, nil)
	})
	return none{}, err
}

func (s *Service) consentEvent(ctx context.Context, t Target, name audit.Name, scopes map[string]string) error {
	event, err := scim.UserEvent(t.Caller, name, t.User.ID, map[string]any{"client": t.Key, "scopes": scopes})
	if err != nil {
		return err
	}
	return s.cfg.Audit.Append(ctx, event)
}
