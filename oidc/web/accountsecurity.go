package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// accountSecurityPath is the page of what one logs in with.
const accountSecurityPath = accountRoot + "/security"

// accountHome adds the first page of the account.
func (w *Web) accountHome(e *echo.Echo) {
	e.GET(accountRoot, w.own(accountPage{do: (*member).home}))
}

// home is the first page: who is logged in, and where to go.
func (m *member) home() error {
	o, err := m.web.cfg.Account.Credentials.List(m.ctx(), m.owner)
	if err != nil {
		return fmt.Errorf("read account: %w", err)
	}
	return m.page(http.StatusOK, pageOwnHome, view{Title: "own.home_title", Body: homeBody{Second: o.Second && o.Enabled}})
}

// homeBody is the first page of the account.
type homeBody struct {
	// Second tells that a second factor protects the account.
	Second bool
}

// accountSecurity adds the page of credentials and what is done there.
func (w *Web) accountSecurity(e *echo.Echo) {
	e.GET(accountSecurityPath, w.own(accountPage{do: (*member).security}))
	e.POST(accountSecurityPath+"/second-factor", w.own(accountPage{
		back: accountSecurityPath, form: pageSecurity, do: (*member).switchSecond,
	}))
	e.POST(accountSecurityPath+"/on", w.own(accountPage{back: accountSecurityPath, form: pageSecurity, do: (*member).switchOn}))
	one := accountSecurityPath + "/credential/:id"
	e.GET(one, w.own(accountPage{fresh: true, do: (*member).credential}))
	e.POST(one+"/:action", w.own(accountPage{fresh: true, back: accountSecurityPath, form: pageCredential, do: (*member).changeCredential}))
	e.GET(accountSecurityPath+"/password", w.own(accountPage{fresh: true, do: (*member).passwordForm}))
	e.POST(accountSecurityPath+"/password", w.own(accountPage{fresh: true, form: pageOwnPassword, do: (*member).changePassword}))
}

// securityBody is the page of credentials.
type securityBody struct {
	News    string // key of what was just done
	Enabled bool
	Second  bool
	// Password tells that there is one, since PasswordAt.
	Password   bool
	PasswordAt time.Time
	// Groups are the credentials by kind.
	Groups []credentialGroup
	// Links are the accounts at other providers.
	Links []authn.LinkedAccount
}

// credentialGroup is the part of one kind.
type credentialGroup struct {
	Kind validation.CredentialKind
	List []validation.Credential
	// Add is where another one is enrolled; "": nowhere.
	Add string
}

// security lists what its owner logs in with.
func (m *member) security() error {
	body, err := m.securityBody()
	if err != nil {
		return err
	}
	return m.page(http.StatusOK, pageSecurity, view{Title: "own.security_title", Body: body})
}

func (m *member) securityBody() (securityBody, error) {
	c := m.web.cfg.Account.Credentials
	o, err := c.List(m.ctx(), m.owner)
	if err != nil {
		return securityBody{}, fmt.Errorf("read credentials: %w", err)
	}
	b := securityBody{
		News: m.news(), Enabled: o.Enabled, Second: o.Second, Password: o.Password, PasswordAt: o.PasswordAt,
		Groups: []credentialGroup{{Kind: validation.CredentialTOTP, Add: accountSecurityPath + "/app"}},
	}
	if c.SendsMail() || o.Has(validation.CredentialEmail) {
		b.Groups = append(b.Groups, credentialGroup{Kind: validation.CredentialEmail, Add: accountSecurityPath + "/email"})
	}
	if len(c.Channels()) > 0 || o.Has(validation.CredentialPhone) {
		b.Groups = append(b.Groups, credentialGroup{Kind: validation.CredentialPhone, Add: accountSecurityPath + "/phone"})
	}
	b.Groups = append(b.Groups,
		credentialGroup{Kind: validation.CredentialPasskey, Add: m.addPasskeyPath()},
		credentialGroup{Kind: validation.CredentialSecondPassword, Add: accountSecondPath},
		credentialGroup{Kind: validation.CredentialRecovery, Add: accountRecoveryPath})
	for i := range b.Groups {
		for _, one := range o.Credentials {
			if one.Kind == b.Groups[i].Kind {
				b.Groups[i].List = append(b.Groups[i].List, one)
			}
		}
	}
	b.Links, err = m.web.cfg.Account.Links.LinkedAccounts(m.ctx(), m.user.ID)
	return b, err
}

// switchSecond switches second factors on, or off for somebody who has just
// shown one.
func (m *member) switchSecond() error {
	c := m.web.cfg.Account.Credentials
	switch m.form.Get("to") {
	case "on":
		if err := c.SecondFactorOn(m.ctx(), m.owner); err != nil {
			return fmt.Errorf("switch second factors on: %w", err)
		}
		return m.done(accountSecurityPath, "second_on")
	case "off":
		if err := c.SecondFactorOff(m.ctx(), m.owner); err != nil {
			return fmt.Errorf("switch second factors off: %w", err)
		}
		if err := m.renew(); err != nil {
			return err
		}
		return m.done(accountSecurityPath, "second_off")
	}
	return refuse(http.StatusBadRequest, "error.form", nil)
}

// switchOn puts a credential back that was switched off. It stands on the list,
// where no recent proof is asked for to begin with: there may be nothing to give
// one with.
func (m *member) switchOn() error {
	err := m.web.cfg.Account.Credentials.SwitchOn(m.ctx(), m.owner, m.form.Get("credential"))
	if errors.Is(err, validation.ErrNoCredential) {
		return m.gone(err)
	}
	if err != nil {
		return fmt.Errorf("switch credential on: %w", err)
	}
	return m.done(accountSecurityPath, "on")
}

// credentialBody is the page of one credential.
type credentialBody struct {
	One validation.Credential
	// Path is where its forms stand.
	Path string
	// Factors are those as which it can be asked for first.
	Factors []string
}

// credential shows one credential with what can be done to it.
func (m *member) credential() error { return m.credentialPage(http.StatusOK, nil) }

func (m *member) credentialPage(status int, f *fault) error {
	id, err := m.credentialID()
	if err != nil {
		return err
	}
	one, err := m.web.cfg.Account.Credentials.Find(m.ctx(), m.owner, id)
	if errors.Is(err, validation.ErrNoCredential) {
		return m.gone(err)
	}
	if err != nil {
		return fmt.Errorf("read credential: %w", err)
	}
	factors := one.Factors()
	if one.Kind == validation.CredentialPhone {
		channels := m.web.cfg.Account.Credentials.Channels()
		factors = nil
		for _, ch := range channels {
			factors = append(factors, map[delivery.Channel]string{delivery.SMS: "sms_otp", delivery.Voice: "voice_otp"}[ch])
		}
	}
	return m.page(status, pageCredential, view{
		Title: "own.credential_title", Fault: f,
		Body: credentialBody{
			One: one, Factors: factors, Path: m.web.at(accountSecurityPath) + "/credential/" + url.PathEscape(one.ID),
		},
	})
}

// credentialID is the name of the credential in the path.
func (m *member) credentialID() (string, error) {
	id, err := url.PathUnescape(m.echo.Param("id"))
	if err != nil {
		return "", refuse(http.StatusNotFound, "error.not_found", err)
	}
	return id, nil
}

// gone says that a credential is not there any more.
func (m *member) gone(cause error) error {
	return &refusal{status: http.StatusNotFound, text: "error.no_credential", again: m.web.at(accountSecurityPath), cause: cause}
}

// changeCredential does what a button of the page of a credential asks for.
func (m *member) changeCredential() error {
	id, err := m.credentialID()
	if err != nil {
		return err
	}
	c, action := m.web.cfg.Account.Credentials, m.echo.Param("action")
	switch action {
	case "rename":
		err = c.Rename(m.ctx(), m.owner, id, m.form.Get("name"))
	case "prefer":
		err = c.Prefer(m.ctx(), m.owner, id, m.form.Get("factor"))
	case "off":
		err = c.SwitchOff(m.ctx(), m.owner, id)
	case "on":
		err = c.SwitchOn(m.ctx(), m.owner, id)
	case "remove":
		err = c.Remove(m.ctx(), m.owner, id)
	default:
		return refuse(http.StatusNotFound, "error.not_found", nil)
	}
	switch {
	case errors.Is(err, validation.ErrNoCredential):
		return m.gone(err)
	case err != nil:
		return fmt.Errorf("%s credential: %w", action, err)
	}
	if slices.Contains([]string{"off", "remove"}, action) {
		if err := m.renew(); err != nil {
			return err
		}
	}
	return m.done(accountSecurityPath, action)
}

// ownPasswordBody is the page that changes the password.
type ownPasswordBody struct{ Min, Max int }

func (m *member) passwordForm() error { return m.passwordPage(http.StatusOK, nil) }

func (m *member) passwordPage(status int, f *fault) error {
	o, err := m.web.cfg.Account.Credentials.List(m.ctx(), m.owner)
	if err != nil {
		return fmt.Errorf("read password: %w", err)
	}
	return m.page(status, pageOwnPassword, view{
		Title: "own.password_title", Fault: f, Body: ownPasswordBody{Min: o.Rules.MinLength, Max: o.Rules.MaxLength},
	})
}

// changePassword changes the password. The other sessions of its owner end.
func (m *member) changePassword() error {
	err := m.web.cfg.Account.Credentials.ChangePassword(m.ctx(), m.owner, m.form.Get("current_password"), m.form.Get("new_password"))
	f, _ := validation.FaultOf(err)
	field := "new_password"
	if f == validation.FaultPassword || f == validation.FaultMissing {
		field = "current_password"
	}
	if shown := m.fault(err, field); shown != nil {
		return m.passwordPage(http.StatusUnprocessableEntity, shown)
	}
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if err := m.renew(); err != nil {
		return err
	}
	return m.done(accountSecurityPath, "password")
}
