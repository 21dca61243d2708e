package web

import (
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/validation"
)

// Where second passwords and recovery codes are made.
const (
	accountSecondPath   = accountSecurityPath + "/second-password"
	accountRecoveryPath = accountSecurityPath + "/recovery"
)

// accountSecrets adds the pages of second passwords and recovery codes.
func (w *Web) accountSecrets(e *echo.Echo) {
	e.GET(accountSecondPath, w.own(accountPage{fresh: true, do: func(m *member) error { return m.secondPage(http.StatusOK, nil) }}))
	e.POST(accountSecondPath, w.own(accountPage{fresh: true, form: pageOwnSecond, do: (*member).setSecond}))
	e.GET(accountRecoveryPath, w.own(accountPage{fresh: true, do: func(m *member) error { return m.recoveryPage(nil) }}))
	e.POST(accountRecoveryPath, w.own(accountPage{fresh: true, form: pageOwnRecovery, do: (*member).newCodes}))
}

func (m *member) secondPage(status int, f *fault) error {
	o, err := m.web.cfg.Account.Credentials.List(m.ctx(), m.owner)
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	return m.page(status, pageOwnSecond, view{
		Title: "own.add_second_password", Fault: f, Body: ownPasswordBody{Min: o.Rules.MinLength, Max: o.Rules.MaxLength},
	})
}

// setSecond stores a second password.
func (m *member) setSecond() error {
	err := m.web.cfg.Account.Credentials.SetSecondPassword(m.ctx(), m.owner, m.form.Get("new_password"))
	if f := m.fault(err, "new_password"); f != nil {
		return m.secondPage(http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return fmt.Errorf("set second password: %w", err)
	}
	if err := m.renew(); err != nil {
		return err
	}
	return m.done(accountSecurityPath, "added")
}

// ownRecoveryBody is the page of recovery codes.
type ownRecoveryBody struct {
	// Codes are new ones, shown once; Old tells that there are some to be replaced.
	Codes []string
	Old   bool
}

// Text is the codes as a file to keep: a data: URL, for nothing of it may be
// stored here.
func (b ownRecoveryBody) Text() template.URL {
	text := strings.Join(b.Codes, "\r\n") + "\r\n"
	return template.URL("data:text/plain;base64," + base64.StdEncoding.EncodeToString([]byte(text))) //nolint:gosec // our own codes
}

func (m *member) recoveryPage(codes []string) error {
	b := ownRecoveryBody{Codes: codes}
	if len(codes) == 0 {
		o, err := m.web.cfg.Account.Credentials.List(m.ctx(), m.owner)
		if err != nil {
			return fmt.Errorf("read credentials: %w", err)
		}
		b.Old = o.Has(validation.CredentialRecovery)
	}
	return m.page(http.StatusOK, pageOwnRecovery, view{Title: "own.kind_recovery", Body: b})
}

// newCodes makes recovery codes and shows them. The answer to the form is the
// page, for they stand nowhere else.
func (m *member) newCodes() error {
	codes, err := m.web.cfg.Account.Credentials.NewRecoveryCodes(m.ctx(), m.owner)
	if err != nil {
		return fmt.Errorf("make recovery codes: %w", err)
	}
	if err := m.renew(); err != nil {
		return err
	}
	return m.showCodes(codes)
}

func (m *member) showCodes(codes []string) error { return m.recoveryPage(codes) }
