package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/validation"
)

// pagePasskey asks for a passkey on top of a first factor; pageEnrolPasskey, of
// the own account, makes one.
const (
	pagePasskey      page = "passkey"
	pageEnrolPasskey page = "ownpasskey"
)

// enrolPasskeyPath is where a passkey is made.
const enrolPasskeyPath = accountSecurityPath + "/passkey"

// passkeyField is the form field of what the authenticator answers: a
// PublicKeyCredential in JSON, which the script writes there.
const passkeyField = "answer"

// Passkeys log in with passkeys.
type Passkeys interface {
	// PasskeyOptions returns the options for navigator.credentials.get.
	PasskeyOptions(ctx context.Context, v authn.Visitor, t authn.Txn) (json.RawMessage, error)
	// Passkey takes the answer to them.
	Passkey(ctx context.Context, v authn.Visitor, t authn.Txn, answer json.RawMessage) (authn.Grants, error)
}

func (w *Web) registerPasskeys(e *echo.Echo) {
	e.POST("/login/:txn/passkey/options", w.handle(w.passkeyOptions))
}

// passkeyOptions answers a script of the page with the options of a login.
func (w *Web) passkeyOptions(r *request) error {
	form, err := r.form(maxForm)
	if err != nil {
		return err
	}
	t, err := w.cfg.Engine.Load(r.ctx(), r.v, r.echo.Param("txn"))
	if err != nil {
		return fmt.Errorf("load transaction: %w", err)
	}
	if !w.key.valid(form.Get(csrfField), t.ID, r.v.Browser, pageLogin, pagePasskey) {
		return refuse(http.StatusForbidden, "error.form", nil)
	}
	options, err := w.cfg.Engine.PasskeyOptions(r.ctx(), r.v, t)
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		return refuse(http.StatusConflict, "error.form", refusal)
	}
	if err != nil {
		return fmt.Errorf("make options of a passkey: %w", err)
	}
	return r.echo.JSONBlob(http.StatusOK, options)
}

func doPasskey(ctx context.Context, s *submission) error {
	answer := s.field(passkeyField)
	if answer == "" {
		return missing()
	}
	if err := remember(ctx, s); err != nil {
		return err
	}
	grants, err := s.web.cfg.Engine.Passkey(ctx, s.v, s.txn, json.RawMessage(answer))
	s.grant(grants)
	return err
}

// passkeyBody is the page that asks for a passkey as a further factor.
type passkeyBody struct {
	Others                         []method
	MaySkip, MayRemember, Remember bool
	Reason                         acr.StepReason
}

func (w *Web) askPasskey(r *request, t authn.Txn, v view, s authn.AskPasskey, re *refused) error {
	v = v.of(s.User)
	v.Title, v.Body = "passkey.title", passkeyBody{
		Others: methods(s.Others), MaySkip: s.MaySkip, MayRemember: s.MayRemember, Remember: s.Remember, Reason: s.Reason,
	}
	return w.page(r, t, pagePasskey, v, re)
}

// accountPasskeys adds the page that makes a passkey.
func (w *Web) accountPasskeys(e *echo.Echo) {
	e.GET(enrolPasskeyPath, w.own(accountPage{fresh: true, do: func(m *member) error { return m.passkeyForm("", nil) }}))
	e.POST(enrolPasskeyPath+"/options", w.own(accountPage{
		fresh: true, back: enrolPasskeyPath, form: pageEnrolPasskey, do: (*member).passkeyCreation,
	}))
	e.POST(enrolPasskeyPath, w.own(accountPage{fresh: true, form: pageEnrolPasskey, do: (*member).addPasskey}))
}

// passkeyEnrolBody is the page that makes a passkey.
type passkeyEnrolBody struct {
	Path string // where the form goes, its script to Path + "/options"
	Name string
}

func (m *member) passkeyForm(name string, f *fault) error {
	status := http.StatusOK
	if f != nil {
		status = http.StatusUnprocessableEntity
	}
	return m.page(status, pageEnrolPasskey, view{
		Title: "own.add_passkey", Fault: f, Body: passkeyEnrolBody{Path: m.web.at(enrolPasskeyPath), Name: name},
	})
}

// passkeyCreation answers the script with the options of a registration.
func (m *member) passkeyCreation() error {
	options, err := m.web.cfg.Account.Credentials.PasskeyOptions(m.ctx(), m.owner)
	switch {
	case errors.Is(err, validation.ErrTooMany):
		return refuse(http.StatusConflict, "passkey.too_many", err)
	case err != nil:
		return fmt.Errorf("make options of a passkey: %w", err)
	}
	return m.echo.JSONBlob(http.StatusOK, options)
}

// addPasskey keeps the passkey that the browser has made.
func (m *member) addPasskey() error {
	name, answer := m.form.Get("name"), m.form.Get(passkeyField)
	fail := func(key string) error {
		v := view{Lang: m.lang, Look: m.web.look, web: m.web}
		return m.passkeyForm(name, &fault{Text: v.T(key)})
	}
	if answer == "" {
		return fail("passkey.not_made")
	}
	protected, err := m.protected()
	if err != nil {
		return err
	}
	_, err = m.web.cfg.Account.Credentials.AddPasskey(m.ctx(), m.owner, name, json.RawMessage(answer))
	switch {
	case errors.Is(err, validation.ErrPasskeyRefused):
		return fail("passkey.not_made")
	case errors.Is(err, validation.ErrPasskeyExists):
		return fail("passkey.exists")
	case errors.Is(err, validation.ErrTooMany):
		return fail("passkey.too_many")
	case err != nil:
		return fmt.Errorf("add passkey: %w", err)
	}
	return m.enrolled(protected)
}

// addPasskeyPath is where a passkey is made; "" where none can be.
func (m *member) addPasskeyPath() string {
	if !m.web.cfg.Account.Credentials.TakesPasskeys() {
		return ""
	}
	return enrolPasskeyPath
}

// MayBeSkipped reports whether the step is an optional link of a chain.
func (b passkeyBody) MayBeSkipped() bool { return b.MaySkip }
