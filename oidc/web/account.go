package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/validation"
)

// PurposeAccount is the purpose of transactions that log in to the pages of the
// own account, or prove again who is there before a change.
const PurposeAccount = authn.PurposeAccount

// accountRoot is where the pages of the own account stand.
const accountRoot = "/account"

// AccountRequest is what a transaction of PurposeAccount remembers.
type AccountRequest struct {
	// To is the page to go on at: a path of ours below /account, which came from
	// our router and from nowhere else.
	To string `json:"to"`
	// UserID is whose account it is; "": whoever logs in.
	UserID string `json:"user_id,omitempty"`
	// Fresh asks for a recent proof, as a change of credentials does.
	Fresh bool `json:"fresh,omitempty"`
}

// AccountRequestOf reads it back. One that says nothing leads to the first page:
// a provider elsewhere may begin such a login.
func AccountRequestOf(t authn.Txn) (AccountRequest, error) {
	q := AccountRequest{To: accountRoot}
	if len(t.Request) == 0 {
		return q, nil
	}
	if err := json.Unmarshal(t.Request, &q); err != nil {
		return q, fmt.Errorf("read request of account pages: %w", err)
	}
	return q, nil
}

// AccountLogins are the logins of the account pages; *authn.Engine has them.
type AccountLogins interface {
	Begin(v authn.Visitor, n authn.NewTxn) (authn.Txn, error)
	Keep(ctx context.Context, t authn.Txn) error
	// Accounts returns the live sessions of the browser, the one in use first.
	Accounts(ctx context.Context, v authn.Visitor) ([]authn.Account, error)
	Issue(ctx context.Context, v authn.Visitor, t authn.Txn, fn func(ctx context.Context, r authn.Ready) error) error
	// Renew gives a session another secret.
	Renew(ctx context.Context, v authn.Visitor, sessionID string) (authn.Grants, error)
}

// AccountIdentities are the accounts at other providers; *authn.Engine has them.
type AccountIdentities interface {
	LinkedAccounts(ctx context.Context, userID string) ([]authn.LinkedAccount, error)
	BeginLink(ctx context.Context, by authn.Linker, provider string) (federated.Redirect, federated.Pending, error)
	Unlink(ctx context.Context, by authn.Linker, provider string) error
}

// AccountDevices are the browsers that are remembered; *authn.Engine has them.
type AccountDevices interface {
	Devices(ctx context.Context, userID string) ([]authn.Device, error)
	ForgetDevice(ctx context.Context, v authn.Visitor, userID, sessionID, id string) (bool, error)
}

// Account is what the pages of the own account need. Every field is required.
type Account struct {
	Logins      AccountLogins
	Links       AccountIdentities
	Devices     AccountDevices
	Credentials *validation.Credentials
}

// member is a request of somebody who is logged in to the account pages.
type member struct {
	*request
	user    authn.User
	session string // its id
	owner   validation.Owner
	form    url.Values // of a POST
}

// account adds the routes of the account pages, if they are set up.
func (w *Web) account(e *echo.Echo) {
	if w.cfg.Account == nil {
		return
	}
	w.accountHome(e)
	w.accountSecurity(e)
	w.accountEnrol(e)
	w.accountPasskeys(e)
	w.accountSecrets(e)
	w.accountLinks(e)
	w.accountSessions(e)
}

// accountPage is a page of the account: who may see it, and what it does.
type accountPage struct {
	// fresh asks for a recent proof before anything else.
	fresh bool
	// back is the page to go on at when a form has to wait for a login; "": that
	// of the form itself.
	back string
	// form is the page whose forms may be sent here; "": it is no form.
	form page
	do   func(*member) error
}

// own wraps a page of the account. Whoever is not logged in, or not freshly
// enough, goes through the login and comes back.
func (w *Web) own(p accountPage) echo.HandlerFunc {
	return w.handle(func(r *request) error {
		m := &member{request: r}
		if p.form != "" {
			form, err := r.form(maxForm)
			if err != nil {
				return err
			}
			m.form = form
		}
		sent, err := w.enter(m, p)
		if err != nil || sent {
			return err
		}
		if p.form != "" && !w.key.valid(m.form.Get(csrfField), m.formScope(), r.v.Browser, p.form) {
			return &refusal{status: http.StatusForbidden, text: "error.form", again: w.at(p.target(r))}
		}
		if p.fresh {
			if sent, err := w.refresh(m, p); err != nil || sent {
				return err
			}
		}
		err = p.do(m)
		if errors.Is(err, validation.ErrNotFresh) { // since then
			_, err = w.demand(m, p)
		}
		return err
	})
}

// target is where a login leads back to: the page of the request, or that of its
// form.
func (p accountPage) target(r *request) string {
	if p.back != "" {
		return p.back
	}
	return strings.TrimPrefix(r.http().URL.EscapedPath(), r.web.base)
}

// enter finds who is logged in, or begins a login and reports so.
func (w *Web) enter(m *member, p accountPage) (sent bool, err error) {
	accounts, err := w.cfg.Account.Logins.Accounts(m.ctx(), m.v)
	if err != nil {
		return false, fmt.Errorf("find account: %w", err)
	}
	q := AccountRequest{To: p.target(m.request)}
	if len(accounts) > 0 {
		q.UserID = accounts[0].User.ID
	}
	t, err := w.accountTxn(m.request, q)
	if err != nil {
		return false, err
	}
	step, grants, err := w.cfg.Engine.Next(m.ctx(), m.v, t)
	m.grant(grants)
	if err != nil {
		return false, fmt.Errorf("enter account: %w", err)
	}
	if ready, ok := step.(authn.Ready); ok {
		m.enterAs(ready.User, ready.Session.ID)
		return false, nil
	}
	if len(accounts) > 0 {
		m.enterAs(accounts[0].User, accounts[0].SessionID)
		if in, err := w.cfg.Account.Credentials.Recovered(m.ctx(), m.owner); in || err != nil {
			return false, err
		}
	}
	return true, w.send(m.request, t)
}

// enterAs says who is there.
func (m *member) enterAs(u authn.User, sessionID string) {
	m.user, m.session = u, sessionID
	m.owner = validation.Owner{
		UserID: u.ID, SessionID: sessionID, UserAgent: m.v.UserAgent, RequestID: m.v.RequestID,
	}
	if m.v.IP.IsValid() {
		m.owner.IP = m.v.IP.String()
	}
	m.speak("", u.Languages())
}

// refresh begins a login where a recent proof is missing, and reports so.
func (w *Web) refresh(m *member, p accountPage) (sent bool, err error) {
	err = w.cfg.Account.Credentials.Fresh(m.ctx(), m.owner)
	if !errors.Is(err, validation.ErrNotFresh) {
		return false, err
	}
	return w.demand(m, p)
}

// demand begins the login that gives a recent proof.
func (w *Web) demand(m *member, p accountPage) (bool, error) {
	t, err := w.accountTxn(m.request, AccountRequest{To: p.target(m.request), UserID: m.user.ID, Fresh: true})
	if err != nil {
		return false, err
	}
	return true, w.send(m.request, t)
}

func (w *Web) accountTxn(r *request, q AccountRequest) (authn.Txn, error) {
	raw, err := json.Marshal(q)
	if err != nil {
		return authn.Txn{}, fmt.Errorf("begin login to account: %w", err)
	}
	t, err := w.cfg.Account.Logins.Begin(r.v, authn.NewTxn{Purpose: PurposeAccount, Request: raw, SelectAccount: q.UserID == ""})
	if err != nil {
		return authn.Txn{}, fmt.Errorf("begin login to account: %w", err)
	}
	return t, nil
}

// send stores a transaction and sends the browser to its pages.
func (w *Web) send(r *request, t authn.Txn) error {
	if err := w.cfg.Account.Logins.Keep(r.ctx(), t); err != nil {
		return fmt.Errorf("begin login to account: %w", err)
	}
	r.keepBrowser()
	return r.to(w.loginPath(t.ID))
}

// formScope stands for the transaction in the forms of the account pages: the
// session, so that a form of another one does not fit.
func (m *member) formScope() string { return "account:" + m.session }

// renew gives the session another secret after a change.
func (m *member) renew() error {
	grants, err := m.web.cfg.Account.Logins.Renew(m.ctx(), m.v, m.session)
	if err != nil {
		return fmt.Errorf("renew session: %w", err)
	}
	m.grant(grants)
	return nil
}

// page shows a page of the account.
func (m *member) page(status int, p page, v view) error {
	v.User = newPerson(m.user)
	v.CSRF = m.web.key.token(m.formScope(), p, m.v.Browser)
	v.Nav, v.Onward = navOf(p), m.onward()
	return m.render(status, p, v)
}

// navOf are the parts of the account, in their order. More are added here.
func navOf(p page) []navItem {
	return []navItem{
		{Path: accountRoot, Text: "own.home_title", Here: p == pageOwnHome},
		{Path: accountSecurityPath, Text: "own.security_title", Here: p != pageOwnHome && p != pageOwnSessions},
		{Path: accountSessionsPath, Text: "own.sessions_title", Here: p == pageOwnSessions},
	}
}

// navItem is a part of the account.
type navItem struct {
	Path, Text string
	Here       bool
}

// done goes on at another page of the account, with the news of what was done.
func (m *member) done(path, news string) error {
	if login := m.onward(); login != "" && news == "added" {
		return m.to(login)
	}
	return m.to(m.web.at(path) + "?" + url.Values{newsField: {news}}.Encode())
}

// newsField is the parameter that names what was done. It picks one of our
// texts, so that a link can say nothing of its own.
const newsField = "done"

// news is the key of what was done, "" for none that we know.
func (m *member) news() string {
	if m.echo.QueryParam("linked") != "" { // as the call-back of a link says
		return "own.linked"
	}
	key := "own.done_" + m.echo.QueryParam(newsField)
	if !m.web.texts.Has(key) {
		return ""
	}
	return key
}

// fault turns an error into what the page says, nil if it is none that its owner
// can mend.
func (m *member) fault(err error, field string) *fault {
	f, wait := validation.FaultOf(err)
	if f == "" {
		return nil
	}
	v := view{Lang: m.lang, Look: m.web.look, web: m.web}
	m.retryAfter(wait)
	return &fault{Text: v.T("own.fault_"+string(f), "wait", v.Wait(wait)), Field: field}
}
