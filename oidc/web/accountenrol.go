package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// accountEnrol adds the pages that enrol apps, addresses and numbers. Each kind
// has one to begin at and one that takes the code; what was begun is in a sealed
// state in between, which is bound to the session.
func (w *Web) accountEnrol(e *echo.Echo) {
	app := accountSecurityPath + "/app"
	e.GET(app, w.own(accountPage{fresh: true, do: (*member).appForm}))
	e.POST(app, w.own(accountPage{fresh: true, form: pageEnrolApp, do: (*member).startApp}))
	e.POST(app+"/code", w.own(accountPage{back: app, form: pageEnrolApp, do: (*member).finishApp}))
	for _, kind := range []validation.EnrolledKind{validation.EnrolledEmail, validation.EnrolledPhone} {
		path := accountSecurityPath + "/" + string(kind)
		e.GET(path, w.own(accountPage{fresh: true, do: func(m *member) error { return m.addressForm(kind, enrolBody{}, nil) }}))
		e.POST(path, w.own(accountPage{fresh: true, form: pageEnrolAddress, do: func(m *member) error { return m.startAddress(kind) }}))
		e.POST(path+"/code", w.own(accountPage{
			back: path, form: pageEnrolAddress, do: func(m *member) error { return m.finishAddress(kind) },
		}))
	}
}

// enrolBody is a page that enrols something.
type enrolBody struct {
	Kind validation.EnrolledKind
	Path string // where the form goes; its code to Path + "/code"
	// Pending is what waits for its code; nil: nothing was begun.
	Pending *validation.Pending
	// QR draws Pending.URI.
	QR *qr
	// Secret is the secret of an app in groups of four, to type.
	Secret string
	// Value and Name are as they were typed, Channels where a number can be reached.
	Value, Name string
	Channels    []delivery.Channel
}

// MaxLength leaves room for blanks around a pasted code.
func (b enrolBody) MaxLength() int {
	if b.Pending == nil {
		return codeBody{}.MaxLength()
	}
	return codeBody{Digits: b.Pending.Digits}.MaxLength()
}

func (m *member) appForm() error {
	return m.enrolPage(http.StatusOK, pageEnrolApp, enrolBody{Kind: validation.EnrolledTOTP}, nil)
}

func (m *member) enrolPage(status int, p page, b enrolBody, f *fault) error {
	segment := map[validation.EnrolledKind]string{validation.EnrolledTOTP: "app"}[b.Kind]
	if segment == "" {
		segment = string(b.Kind)
	}
	b.Path = m.web.at(accountSecurityPath) + "/" + segment
	return m.page(status, p, view{Title: "own.add_" + string(b.Kind), Fault: f, Body: b})
}

// startApp makes a secret and shows it: the answer to the form is the page, for
// the secret stands nowhere else.
func (m *member) startApp() error {
	pending, err := m.web.cfg.Account.Credentials.StartApp(m.ctx(), m.owner)
	if f := m.fault(err, ""); f != nil {
		return m.enrolPage(http.StatusUnprocessableEntity, pageEnrolApp, enrolBody{Kind: validation.EnrolledTOTP}, f)
	}
	if err != nil {
		return fmt.Errorf("begin enrolment of app: %w", err)
	}
	return m.appCode(http.StatusOK, pending, "", nil)
}

func (m *member) appCode(status int, pending validation.Pending, name string, f *fault) error {
	drawn, err := newQR(pending.URI)
	if err != nil {
		return err
	}
	return m.enrolPage(status, pageEnrolApp, enrolBody{
		Kind: validation.EnrolledTOTP, Pending: &pending, QR: drawn, Secret: grouped(pending.Secret), Name: name,
	}, f)
}

// grouped puts a blank after every fourth character, for people who type it.
func grouped(secret string) string {
	const group = 4
	var b strings.Builder
	for i, c := range secret {
		if i > 0 && i%group == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// finishApp takes the code of the app.
func (m *member) finishApp() error {
	c := m.web.cfg.Account.Credentials
	state, name := m.form.Get("state"), m.form.Get("name")
	protected, err := m.protected()
	if err != nil {
		return err
	}
	err = c.FinishApp(m.ctx(), m.owner, state, strings.TrimSpace(m.form.Get("code")), name)
	if f := m.fault(err, "code"); f != nil {
		if pending, gone := c.PendingApp(m.ctx(), m.owner, state); gone == nil {
			return m.appCode(http.StatusUnprocessableEntity, pending, name, f)
		}
		f.Field = ""
		return m.enrolPage(http.StatusUnprocessableEntity, pageEnrolApp, enrolBody{Kind: validation.EnrolledTOTP}, f)
	}
	if err != nil {
		return fmt.Errorf("enrol app: %w", err)
	}
	return m.enrolled(protected)
}

// protected reports whether there is a second factor already. Whoever enrols the
// first gets recovery codes with it.
func (m *member) protected() (bool, error) {
	o, err := m.web.cfg.Account.Credentials.List(m.ctx(), m.owner)
	if err != nil {
		return false, fmt.Errorf("read credentials: %w", err)
	}
	return o.Second, nil
}

// enrolled ends an enrolment: the session gets another secret, and whoever had
// no second factor before is shown recovery codes.
func (m *member) enrolled(protected bool) error {
	if err := m.renew(); err != nil {
		return err
	}
	if protected {
		return m.done(accountSecurityPath, "added")
	}
	codes, err := m.web.cfg.Account.Credentials.AfterFirst(m.ctx(), m.owner)
	if err != nil {
		return fmt.Errorf("finish first second factor: %w", err)
	}
	if len(codes) == 0 {
		return m.done(accountSecurityPath, "added")
	}
	return m.showCodes(codes)
}

func (m *member) addressForm(kind validation.EnrolledKind, b enrolBody, f *fault) error {
	status := http.StatusOK
	if f != nil {
		status = http.StatusUnprocessableEntity
	}
	b.Kind = kind
	if kind == validation.EnrolledPhone {
		b.Channels = m.web.cfg.Account.Credentials.Channels()
	}
	return m.enrolPage(status, pageEnrolAddress, b, f)
}

// typedNumber is what people put between the digits of a number.
const typedNumber = " ()-./\u00a0"

// startAddress sends a code.
func (m *member) startAddress(kind validation.EnrolledKind) error {
	a := validation.NewAddress{Channel: delivery.Email, Value: strings.TrimSpace(m.form.Get("value")), Language: m.lang}
	if kind == validation.EnrolledPhone {
		a.Channel = delivery.SMS
		if m.form.Get("channel") == string(delivery.Voice) {
			a.Channel = delivery.Voice
		}
		a.Value = strings.Map(func(r rune) rune {
			if strings.ContainsRune(typedNumber, r) {
				return -1
			}
			return r
		}, a.Value)
	}
	b := enrolBody{Value: m.form.Get("value"), Name: m.form.Get("name")}
	pending, err := m.web.cfg.Account.Credentials.StartAddress(m.ctx(), m.owner, a)
	if f := m.fault(err, "value"); f != nil {
		return m.addressForm(kind, b, f)
	}
	if err != nil {
		return fmt.Errorf("send code: %w", err)
	}
	b.Pending = &pending
	return m.addressForm(kind, b, nil)
}

// finishAddress takes the code that was sent.
func (m *member) finishAddress(kind validation.EnrolledKind) error {
	c := m.web.cfg.Account.Credentials
	state, b := m.form.Get("state"), enrolBody{Name: m.form.Get("name")}
	protected, err := m.protected()
	if err != nil {
		return err
	}
	err = c.FinishAddress(m.ctx(), m.owner, kind, state, strings.TrimSpace(m.form.Get("code")), b.Name)
	if f := m.fault(err, "code"); f != nil {
		if pending, gone := c.PendingAddress(m.ctx(), m.owner, kind, state); gone == nil {
			b.Pending = &pending
		} else {
			f.Field = ""
		}
		return m.addressForm(kind, b, f)
	}
	if err != nil {
		return fmt.Errorf("enrol address: %w", err)
	}
	return m.enrolled(protected)
}
