package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/validation"
)

// Federation is what logins at providers elsewhere need. Every member without a
// comment is required.
type Federation struct {
	Providers federated.Directory
	Links     federated.LinkStore
	Requests  federated.PendingStore
	Answers   federated.AnswerStore
	// UserByEmail returns the one user who has the address, whatever the case, or
	// ErrNoUser; the user name does not count.
	UserByEmail func(ctx context.Context, address string) (User, error)
	// Create makes a user of an identity that nobody has, in the transaction of
	// ctx. ErrNoUser: the identity lacks what a user must have, or has what is
	// another user's already.
	Create func(ctx context.Context, p federated.Provider, id federated.Identity) (User, error)
	// Changed, if set, follows a link that came or went, in its transaction: the
	// user is told.
	Changed func(ctx context.Context, u User, ip string, linked bool) error
}

func (f *Federation) check() error {
	if f == nil || f.Providers != nil && f.Links != nil && f.Requests != nil && f.Answers != nil && f.UserByEmail != nil && f.Create != nil {
		return nil
	}
	return errors.New("login engine: Federation lacks a member")
}

// Reasons of refusals that stand in audit events beside those of package
// federated.
const (
	reasonDisabled  = "disabled"
	reasonNotLinked = "not_linked"
	reasonWrongUser = "wrong_user"
	reasonInactive  = "inactive"
	reasonTaken     = "taken"
	reasonNotMade   = "not_created"
	reasonBrowser   = "other_browser"
)

// asked is what the engine keeps of a request beside what the upstream does.
type asked struct {
	Upstream []byte `json:"upstream"`
	// Known is who must log in again; "": anyone.
	Known string `json:"known,omitempty"`
	// Demanded tells that the login must be younger than MaxAge, or newer than the
	// request where that is nil.
	Demanded bool           `json:"demanded,omitempty"`
	MaxAge   *time.Duration `json:"max_age,omitempty"`
	// Callback is where the application that links by the API takes the answer.
	Callback string `json:"callback,omitempty"`
}

// PurposeAccount is what somebody logs in for who wants the pages of the account.
const PurposeAccount = "account"

// stateID names a request in the store: the state itself is not kept.
func stateID(state string) string {
	sum := sha256.Sum256([]byte(state))
	return hex.EncodeToString(sum[:])
}

// linkCredential names a link in the ledger.
func linkCredential(l federated.Link) string {
	sum := sha256.Sum256([]byte(l.Issuer + "\x00" + l.Subject))
	return federatedPrefix + l.Provider + ":" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

const federatedPrefix = "federated:"

// upstreams are the providers that may be offered: all that are not disabled, of
// a known user those that are linked.
func (e *Engine) upstreams(p *position) []Upstream {
	if e.cfg.Federation == nil {
		return nil
	}
	var out []Upstream
	for _, one := range e.cfg.Federation.Providers.Providers() {
		linked := slices.ContainsFunc(p.factors.links, func(l federated.Link) bool { return l.Provider == one.ID })
		if !one.Disabled && (p.held == nil || linked) {
			out = append(out, Upstream{ID: one.ID, Name: one.Name, Kind: string(one.Kind)})
		}
	}
	return out
}

// openLinks are those of a user whose provider is set up and not disabled: what
// was shown at another counts no more.
func (e *Engine) openLinks(userID string, held validation.Holdings) []federated.Link {
	if e.cfg.Federation == nil {
		return nil
	}
	var out []federated.Link
	for _, x := range held.External {
		if _, open := federated.Find(e.cfg.Federation.Providers, x.Provider); open {
			out = append(out, federated.Link{Provider: x.Provider, Issuer: x.Issuer, Subject: x.Subject, UserID: userID})
		}
	}
	return out
}

// hasLink reports whether a credential of the ledger is, or came with, one of
// the links.
func hasLink(links []federated.Link, credential string) bool {
	return slices.ContainsFunc(links, func(l federated.Link) bool {
		name := linkCredential(l)
		return credential == name || strings.HasPrefix(credential, name+":")
	})
}

// Federate begins a login at a provider elsewhere and says where the browser goes.
func (e *Engine) Federate(ctx context.Context, v Visitor, t Txn, upstream string) (federated.Redirect, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return federated.Redirect{}, err
	}
	ask, ok := e.step(p).(AskLogin)
	switch {
	case !ok:
		return federated.Redirect{}, outOfStep()
	case upstream == "":
		return federated.Redirect{}, &Refusal{Reason: Missing}
	case !slices.ContainsFunc(ask.Upstreams, func(u Upstream) bool { return u.ID == upstream }):
		return federated.Redirect{}, outOfStep()
	}
	provider, ok := federated.Find(e.cfg.Federation.Providers, upstream)
	if !ok {
		return federated.Redirect{}, outOfStep()
	}
	keep := asked{Demanded: p.req.Login || p.req.MaxAge != nil, MaxAge: p.req.MaxAge}
	pending := federated.Pending{Purpose: federated.ForLogin, Txn: t.ID, BrowserHash: t.BrowserHash}
	if p.held != nil {
		keep.Known, pending.UserID, pending.SessionID = p.held.UserID, p.held.UserID, p.held.ID
	} else {
		keep.Known = p.req.Subject
	}
	to, _, err := e.request(ctx, provider, pending, keep, federated.Request{
		CallbackURL: provider.CallbackURL, Languages: t.Languages, MaxAge: p.req.MaxAge,
		// A session there does not prolong one here by itself (security.md 7).
		Fresh: p.req.Login || p.held != nil,
	})
	if reason, ok := federated.ReasonOf(err); ok {
		return federated.Redirect{}, e.refuseUpstream(ctx, v, t, provider, keep.Known, string(reason), err)
	}
	return to, err
}

// request asks an upstream and keeps what its answer is judged by.
func (e *Engine) request(ctx context.Context, provider federated.Provider, pending federated.Pending, keep asked, r federated.Request) (federated.Redirect, federated.Pending, error) {
	r.State = NewSecret()
	to, private, err := provider.Upstream.Begin(ctx, r)
	if err != nil {
		return federated.Redirect{}, pending, fmt.Errorf("ask provider %s: %w", provider.ID, err)
	}
	keep.Upstream = private
	if pending.Private, err = json.Marshal(keep); err != nil {
		return federated.Redirect{}, pending, fmt.Errorf("encode request to provider: %w", err)
	}
	pending.ID, pending.Provider, pending.CreatedAt = stateID(r.State), provider.ID, e.now()
	pending.ExpiresAt = pending.CreatedAt.Add(federated.RequestLife)
	if err := e.cfg.Federation.Requests.InsertPending(ctx, pending); err != nil {
		return federated.Redirect{}, pending, fmt.Errorf("keep request to provider: %w", err)
	}
	return to, pending, nil
}

// HoldAnswer keeps what a provider has posted, and returns the id by which the
// browser fetches it with its cookies; ErrTxnUnknown if there is no such
// provider, a *Refusal if nobody waits for the answer.
func (e *Engine) HoldAnswer(ctx context.Context, v Visitor, a federated.Answer) (string, error) {
	if e.cfg.Federation == nil || known(e.cfg.Federation.Providers, a.Provider) == "" {
		return "", ErrTxnUnknown
	}
	waited, err := e.expected(ctx, a)
	if err != nil {
		return "", err
	}
	if !waited {
		ev := event(v, audit.FederationLoginRefused, "", "", loginDetail{Upstream: a.Provider})
		return "", e.refuse(ctx, ev, string(federated.NotAsked), &Refusal{Reason: UpstreamInvalid})
	}
	handle := NewSecret()
	if err := e.cfg.Federation.Answers.HoldAnswer(ctx, stateID(handle), a, e.now().Add(answerLife)); err != nil {
		return "", fmt.Errorf("hold answer of provider: %w", err)
	}
	return handle, nil
}

// expected reports whether somebody waits for the answer, or its provider may
// begin logins: nobody fills the table with answers to nothing.
func (e *Engine) expected(ctx context.Context, a federated.Answer) (bool, error) {
	if a.State == "" {
		provider, open := federated.Find(e.cfg.Federation.Providers, a.Provider)
		upstream, able := provider.Upstream.(federated.Unsolicited)
		return open && able && upstream.BeginsLogins(), nil
	}
	_, err := e.cfg.Federation.Requests.PendingRequest(ctx, stateID(a.State), e.now())
	if errors.Is(err, federated.ErrUnknown) {
		return false, nil
	}
	if err != nil && !errors.Is(err, federated.ErrUsed) {
		return false, fmt.Errorf("read request to provider: %w", err)
	}
	return true, nil
}

// answerLife is how long a posted answer waits for the browser, which comes at
// once.
const answerLife = 2 * time.Minute

// HeldAnswer returns what HoldAnswer has kept, once; else ErrTxnUnknown.
func (e *Engine) HeldAnswer(ctx context.Context, handle string) (federated.Answer, error) {
	if e.cfg.Federation == nil || handle == "" {
		return federated.Answer{}, ErrTxnUnknown
	}
	a, err := e.cfg.Federation.Answers.TakeAnswer(ctx, stateID(handle), e.now())
	if errors.Is(err, federated.ErrUnknown) {
		return federated.Answer{}, ErrTxnUnknown
	}
	if err != nil {
		return federated.Answer{}, fmt.Errorf("take answer of provider: %w", err)
	}
	return a, nil
}

// Return is what became of an answer.
type Return struct {
	// Txn is the login that goes on; its ID is "" if there is none.
	Txn Txn
	// Linked is the identity that was linked, if that is what was asked for.
	Linked *federated.Link
}

// Returned takes what a browser brought back from a provider. Each answer is
// taken once, by the browser that asked, whatever comes of it. A *Refusal with a
// Txn in the Return lets the login go on by other means.
func (e *Engine) Returned(ctx context.Context, v Visitor, a federated.Answer) (Return, Grants, error) {
	if e.cfg.Federation == nil {
		return Return{}, Grants{}, ErrTxnUnknown
	}
	if a.State == "" {
		return e.unsolicited(ctx, v, a)
	}
	pending, err := e.answered(ctx, v, a)
	if err != nil {
		return Return{}, Grants{}, err
	}
	var keep asked
	if err := json.Unmarshal(pending.Private, &keep); err != nil {
		return Return{}, Grants{}, fmt.Errorf("decode request to provider: %w", err)
	}
	if pending.Purpose == federated.ForLink {
		l, err := e.returnedLink(ctx, v, a, pending)
		return Return{Linked: l}, Grants{}, err
	}
	t, err := e.Load(ctx, v, pending.Txn)
	if err != nil {
		return Return{}, Grants{}, err
	}
	grants, err := e.returnedLogin(ctx, v, t, a, pending, keep)
	return Return{Txn: t}, grants, err
}

// answered finds the request that an answer is to, and uses it up. An answer in
// another browser than the one that asked uses nothing up.
func (e *Engine) answered(ctx context.Context, v Visitor, a federated.Answer) (federated.Pending, error) {
	refused := func(why string) error {
		ev := event(v, audit.FederationLoginRefused, "", "", loginDetail{Upstream: known(e.cfg.Federation.Providers, a.Provider)})
		return e.refuse(ctx, ev, why, &Refusal{Reason: UpstreamInvalid})
	}
	now := e.now()
	pending, err := e.cfg.Federation.Requests.PendingRequest(ctx, stateID(a.State), now)
	switch {
	case errors.Is(err, federated.ErrUsed):
		return pending, refused(string(federated.Replayed))
	case errors.Is(err, federated.ErrUnknown):
		return pending, refused(string(federated.NotAsked))
	case err != nil:
		return pending, fmt.Errorf("read request to provider: %w", err)
	case pending.BrowserHash == nil || !hmac.Equal(pending.BrowserHash, session.Hash(v.Browser)):
		return pending, refused(reasonBrowser)
	case pending.Provider != a.Provider: // mix-up (RFC 9700 section 4.4)
		return pending, refused(string(federated.WrongIssuer))
	}
	switch err := e.cfg.Federation.Requests.UsePending(ctx, pending.ID, now); {
	case errors.Is(err, federated.ErrUsed):
		return pending, refused(string(federated.Replayed))
	case err != nil:
		return pending, fmt.Errorf("use request to provider: %w", err)
	}
	return pending, nil
}

// known is an id from a URL, if it is one of the settings.
func known(d federated.Directory, id string) string {
	for _, p := range d.Providers() {
		if p.ID == id {
			return id
		}
	}
	return ""
}

// returnedLogin judges the answer and proves the login.
func (e *Engine) returnedLogin(ctx context.Context, v Visitor, t Txn, a federated.Answer, pending federated.Pending, keep asked) (Grants, error) {
	provider, open := federated.Find(e.cfg.Federation.Providers, a.Provider)
	if !open {
		return Grants{}, e.refuseUpstream(ctx, v, t, provider, keep.Known, reasonDisabled, nil)
	}
	id, err := sound(provider.Upstream.Finish(ctx, keep.Upstream, a))
	if reason, ok := federated.ReasonOf(err); ok {
		return Grants{}, e.refuseUpstream(ctx, v, t, provider, keep.Known, string(reason), err)
	}
	if err != nil {
		return Grants{}, fmt.Errorf("finish login at %s: %w", provider.ID, err)
	}
	if !freshEnough(id, pending, keep) {
		return Grants{}, e.refuseUpstream(ctx, v, t, provider, keep.Known, string(federated.Stale), nil)
	}
	return e.admit(ctx, v, t, provider, id, keep.Known)
}

// longestDisplay is how much is kept of what an account is called, in bytes.
const longestDisplay = 200

// sound refuses an identity that no database keeps as it is, and cleans the name
// of the account, which is shown to people: it has neither controls nor marks
// that change the direction of a text.
func sound(id federated.Identity, err error) (federated.Identity, error) {
	if err != nil {
		return id, err
	}
	for _, text := range []string{id.Issuer, id.Subject} {
		if text == "" || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			return id, federated.Refuse(federated.NoSubject, "what names the account has characters that no name has", nil)
		}
	}
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(id.Name, ""))
	id.Name = strings.ToValidUTF8(name[:min(len(name), longestDisplay)], "")
	return id, nil
}

// clockSkew is how far the clock of a provider may be behind ours.
const clockSkew = time.Minute

// freshEnough holds the time of the login there against what was asked for. One
// that is not told is too old where a time was demanded (OpenID Connect Core 1.0
// section 3.1.3.7, number 11).
func freshEnough(id federated.Identity, pending federated.Pending, keep asked) bool {
	if !keep.Demanded && pending.UserID == "" {
		return true
	}
	if id.AuthTime.IsZero() {
		return !keep.Demanded
	}
	earliest := pending.CreatedAt.Add(-clockSkew)
	if keep.MaxAge != nil && pending.UserID == "" {
		earliest = earliest.Add(-*keep.MaxAge)
	}
	return !id.AuthTime.Before(earliest)
}

// admit finds whose identity it is and writes the proof, in one transaction with
// the link or the user that it may take.
func (e *Engine) admit(ctx context.Context, v Visitor, t Txn, provider federated.Provider, id federated.Identity, only string) (Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return Grants{}, err
	}
	if ask, ok := e.step(p).(AskLogin); !ok || !slices.Contains(ask.Factors, acr.Federated) {
		return Grants{}, outOfStep()
	}
	if p.held != nil && only == "" {
		only = p.held.UserID // somebody has logged in meanwhile, in another tab
	}
	var grants Grants
	var about string
	err = e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		u, link, err := e.owner(ctx, v, provider, id, only)
		if about = u.ID; err != nil {
			return err
		}
		grants, err = e.prove(ctx, p, e.shownAt(provider, id, u, link))
		return err
	})
	if reason, ok := errors.AsType[refusedAs](err); ok {
		return Grants{}, e.refuseUpstream(ctx, v, t, provider, about, string(reason), nil)
	}
	return grants, err
}

// refusedAs is why an identity may not log in.
//
//nolint:errname // it carries a reason out of a transaction
type refusedAs string

// Error implements error.
func (r refusedAs) Error() string { return "login elsewhere: " + string(r) }

// owner finds the user of an identity: the one it is linked to, else by the rules
// that the operator chose.
func (e *Engine) owner(ctx context.Context, v Visitor, provider federated.Provider, id federated.Identity, only string) (User, federated.Link, error) {
	f := e.cfg.Federation
	link, err := f.Links.Link(ctx, provider.ID, id.Issuer, id.Subject)
	switch {
	case err == nil:
		u, err := e.cfg.Users.UserByID(ctx, link.UserID)
		if errors.Is(err, ErrNoUser) {
			return User{}, link, refusedAs(reasonNotLinked)
		}
		if err != nil {
			return User{}, link, fmt.Errorf("read user: %w", err)
		}
		return u, link, allowed(u, only)
	case !errors.Is(err, federated.ErrUnknown):
		return User{}, link, fmt.Errorf("read external identity: %w", err)
	}
	u, err := e.newOwner(ctx, provider, id, only)
	if err != nil {
		return u, link, err
	}
	link, err = e.insertLink(ctx, Linker{Visitor: v, UserID: u.ID}, provider, id, u)
	return u, link, err
}

func allowed(u User, only string) error {
	switch {
	case only != "" && u.ID != only:
		return refusedAs(reasonWrongUser)
	case !u.Active:
		return refusedAs(reasonInactive)
	}
	return nil
}

// newOwner finds or makes the user of an identity that nobody has. Whoever must
// log in again is no reason to link anything.
func (e *Engine) newOwner(ctx context.Context, provider federated.Provider, id federated.Identity, only string) (User, error) {
	if only != "" {
		return User{}, refusedAs(reasonNotLinked)
	}
	if address, ok := provider.Trust.Address(id); ok && provider.LinkByEmail {
		found, err := e.cfg.Federation.UserByEmail(ctx, address)
		if err == nil {
			// Read again by id, so that it stays as it is.
			if found, err = e.cfg.Users.UserByID(ctx, found.ID); err == nil {
				return found, allowed(found, only)
			}
		}
		if !errors.Is(err, ErrNoUser) {
			return User{}, fmt.Errorf("find user by address: %w", err)
		}
	}
	if provider.Create == nil {
		return User{}, refusedAs(reasonNotLinked)
	}
	made, err := e.cfg.Federation.Create(ctx, provider, id)
	if errors.Is(err, ErrNoUser) {
		return User{}, refusedAs(reasonNotMade)
	}
	if err != nil {
		return User{}, fmt.Errorf("make user of identity: %w", err)
	}
	return made, allowed(made, only)
}

// insertLink links an identity, with the event and the notice.
func (e *Engine) insertLink(ctx context.Context, by Linker, provider federated.Provider, id federated.Identity, u User) (federated.Link, error) {
	link := federated.Link{
		Provider: provider.ID, Issuer: id.Issuer, Subject: id.Subject, UserID: u.ID, Display: id.Name, LinkedAt: e.now(),
	}
	err := e.cfg.Federation.Links.InsertLink(ctx, link)
	if errors.Is(err, federated.ErrTaken) {
		return link, refusedAs(reasonTaken)
	}
	if err != nil {
		return link, fmt.Errorf("link identity: %w", err)
	}
	ev := by.event(audit.FederationLinked, loginDetail{Upstream: provider.ID, Issuer: id.Issuer, Subject: id.Subject})
	return link, errors.Join(e.record(ctx, ev), e.linkChanged(ctx, by.Visitor, u, true))
}

func (e *Engine) linkChanged(ctx context.Context, v Visitor, u User, linked bool) error {
	if e.cfg.Federation.Changed == nil {
		return nil
	}
	ip := ""
	if v.IP.IsValid() {
		ip = v.IP.String()
	}
	return e.cfg.Federation.Changed(ctx, u, ip, linked)
}

// shownAt is the proof of a login elsewhere, with what it counts as besides where
// the operator trusts the provider for it.
func (e *Engine) shownAt(provider federated.Provider, id federated.Identity, u User, link federated.Link) shown {
	credential := linkCredential(link)
	factors, amr := provider.Trust.Factors(id)
	s := shown{
		user: u, factor: acr.Federated, credential: credential, first: true,
		amr: append([]string{}, amr...), // none, not those of a factor that is not known
		use: func(ctx context.Context, u User) error {
			now, err := e.cfg.Federation.Links.Link(ctx, link.Provider, link.Issuer, link.Subject)
			if errors.Is(err, federated.ErrUnknown) || err == nil && now.UserID != u.ID {
				return refusedAs(reasonNotLinked)
			}
			if err != nil {
				return fmt.Errorf("read external identity: %w", err)
			}
			return e.cfg.Federation.Links.TouchLink(ctx, now, e.now())
		},
	}
	if provider.Trust.ACR && !id.AuthTime.IsZero() && id.AuthTime.Before(e.now()) {
		s.at = id.AuthTime.UTC().Truncate(time.Microsecond)
	}
	for _, f := range factors {
		s.more = append(s.more, further{factor: acr.Factor(f), credential: credential + ":" + f})
	}
	return s
}

// refuseUpstream records why a login elsewhere was not accepted and tells the
// person as much as they need. What the provider did wrong is for the operator.
func (e *Engine) refuseUpstream(ctx context.Context, v Visitor, t Txn, provider federated.Provider, userID, reason string, cause error) error {
	detail := loginDetail{Factor: acr.Federated, Upstream: provider.ID, Txn: t.ID, Purpose: t.Purpose}
	if r, ok := errors.AsType[*federated.Refusal](cause); ok {
		detail.Note = r.Detail
		e.cfg.Logger.WarnContext(ctx, "login elsewhere refused", "provider", provider.ID, "error", cause)
	}
	return e.refuse(ctx, event(v, audit.FederationLoginRefused, t.ClientID, userID, detail), reason,
		&Refusal{Reason: upstreamReason(reason), Provider: provider.Name})
}

func upstreamReason(reason string) RefusalReason {
	switch reason {
	case string(federated.Denied):
		return UpstreamDenied
	case string(federated.Unavailable):
		return UpstreamDown
	case string(federated.Stale):
		return UpstreamStale
	case reasonDisabled:
		return UpstreamOff
	case reasonNotLinked, reasonTaken, reasonNotMade:
		return UpstreamNotLinked
	case reasonWrongUser:
		return UpstreamOther
	case reasonInactive:
		return UpstreamInactive
	default:
		return UpstreamInvalid
	}
}

// unsolicited takes an answer to no request, where the operator lets a provider
// begin a login by itself: it opens the pages of the account.
func (e *Engine) unsolicited(ctx context.Context, v Visitor, a federated.Answer) (Return, Grants, error) {
	provider, open := federated.Find(e.cfg.Federation.Providers, a.Provider)
	upstream, able := provider.Upstream.(federated.Unsolicited)
	if !open || !able || e.purposes[PurposeAccount] == nil {
		ev := event(v, audit.FederationLoginRefused, "", "", loginDetail{Upstream: known(e.cfg.Federation.Providers, a.Provider)})
		return Return{}, Grants{}, e.refuse(ctx, ev, string(federated.NotAsked), &Refusal{Reason: UpstreamInvalid})
	}
	id, err := sound(upstream.FinishUnsolicited(ctx, a))
	if reason, ok := federated.ReasonOf(err); ok {
		return Return{}, Grants{}, e.refuseUpstream(ctx, v, Txn{}, provider, "", string(reason), err)
	}
	if err != nil {
		return Return{}, Grants{}, fmt.Errorf("finish login at %s: %w", provider.ID, err)
	}
	t, err := e.Begin(v, NewTxn{Purpose: PurposeAccount})
	if err != nil {
		return Return{}, Grants{}, err
	}
	t.Progress.Chosen = true // whoever is logged in already is somebody else
	if err := e.Keep(ctx, t); err != nil {
		return Return{}, Grants{}, err
	}
	t.kept = true
	grants, err := e.admit(ctx, v, t, provider, id, "")
	return Return{Txn: t}, grants, err
}
