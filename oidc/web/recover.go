package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Recovery runs recovery, verification, registration and invitations;
// *account.Service is one. An answer that is not accepted is an
// *account.Refusal, after which the flow goes on.
type Recovery interface {
	AccountFlows
	AccountLinks
}

// AccountFlows are the steps of a flow.
type AccountFlows interface {
	Offers() account.Offers
	Start(ctx context.Context, v account.Visitor, b account.Begin) (account.Flow, error)
	Load(ctx context.Context, v account.Visitor, id string) (account.Flow, error)
	Step(f account.Flow) account.Step
	Resend(ctx context.Context, v account.Visitor, f account.Flow) error
	Code(ctx context.Context, v account.Visitor, f account.Flow, code string) (account.Flow, error)
	SetPassword(ctx context.Context, v account.Visitor, f account.Flow, text string) (account.Flow, error)
}

// AccountLinks are the links of messages.
type AccountLinks interface {
	// OpenLink tells where a link leads and changes nothing.
	OpenLink(ctx context.Context, token string) (account.Flow, error)
	// Confirm consumes it.
	Confirm(ctx context.Context, v account.Visitor, token string) (account.Flow, error)
}

// The pages of recovery. txnRecover and txnLink stand for the transaction in
// forms that have none.
const (
	pageRecover         page = "recover"
	pageSignUp          page = "signup"
	pageRecoverCode     page = "recovercode"
	pageRecoverConfirm  page = "recoverconfirm"
	pageRecoverPassword page = "recoverpassword"
	pageRecoverDone     page = "recoverdone"
	txnRecover               = "recover:"
	txnLink                  = "link"
)

func recoverPages() []page {
	return []page{pageRecover, pageSignUp, pageRecoverCode, pageRecoverConfirm, pageRecoverPassword, pageRecoverDone}
}

// flowCookie keeps the token of a link while its page waits for the button.
const flowCookie = "sp_flow"

// registerAccounts adds the routes of recovery and registration.
func (w *Web) registerAccounts(e *echo.Echo) {
	if w.cfg.Recovery == nil {
		return
	}
	for path, kind := range startPaths() {
		e.GET(path, w.handle(w.startForm(kind)))
		e.POST(path, w.handle(w.startFlow(kind)))
	}
	e.GET("/continue/link", w.handle(w.confirmForm))
	e.POST("/continue/link", w.handle(w.confirmLink))
	e.GET(account.LinkPath+":token", w.handle(w.takeLink))
	e.GET("/continue/:flow", w.handle(w.showFlow))
	e.POST("/continue/:flow/:action", w.handle(w.actFlow))
}

// startPaths are where flows begin.
func startPaths() map[string]account.Kind {
	return map[string]account.Kind{
		"/recover": account.Password, "/recover/username": account.UserName, "/verify": account.Verify, "/signup": account.SignUp,
	}
}

func startPath(k account.Kind) string {
	for path, kind := range startPaths() {
		if kind == k {
			return path
		}
	}
	return "/recover"
}

// visitor is the visitor of a request in terms of accounts.
func (r *request) visitor() account.Visitor {
	return account.Visitor{
		Browser: r.v.Browser, IP: r.v.IP, UserAgent: r.v.UserAgent, RequestID: r.v.RequestID, Languages: r.lang,
	}
}

// offered reports whether a kind of flow can be begun.
func (w *Web) offered(k account.Kind) bool {
	o := w.cfg.Recovery.Offers()
	return map[account.Kind]bool{
		account.Password: o.Password, account.UserName: o.UserName, account.Verify: o.Verify, account.SignUp: o.SignUp,
	}[k]
}

// startBody is the page that begins a flow.
type startBody struct {
	Kind  account.Kind
	Path  string
	Login string
	// SMS tells that a code by text message is offered too.
	SMS    bool
	Fields []startField
	Return string
}

// startField is one attribute of a new account.
type startField struct{ Name, Value string }

// startForm shows the page that begins a flow.
func (w *Web) startForm(k account.Kind) func(*request) error {
	return func(r *request) error {
		return w.start(r, http.StatusOK, k, r.echo.QueryParam("return"), nil, nil)
	}
}

func (w *Web) start(r *request, status int, k account.Kind, back string, typed map[string][]string, f *fault) error {
	if !w.offered(k) {
		return refuse(http.StatusNotFound, "error.not_found", nil)
	}
	r.keepBrowser()
	p := pageRecover
	if k == account.SignUp {
		p = pageSignUp
	}
	field := func(name string) string {
		if values := typed[name]; len(values) > 0 && len(values[0]) <= maxTyped {
			return values[0]
		}
		return ""
	}
	offers := w.cfg.Recovery.Offers()
	b := startBody{Kind: k, Path: w.at(startPath(k)), Login: field("login"), SMS: k == account.Password && offers.SMS}
	if _, err := uuid.Parse(back); err == nil {
		b.Return = back
	}
	if k == account.SignUp {
		for _, name := range offers.Attributes {
			b.Fields = append(b.Fields, startField{Name: name, Value: field(name)})
		}
	}
	return r.render(status, p, view{
		Title: "recover." + string(k) + "_title", Fault: f, CSRF: w.key.token(txnRecover+string(k), p, r.v.Browser), Body: b,
	})
}

// maxTyped bounds what is shown again of what was typed, in bytes.
const maxTyped = 512

// startFlow begins a flow. Whoever is named, the answer is the same: the page
// that waits for the code.
func (w *Web) startFlow(k account.Kind) func(*request) error {
	return func(r *request) error {
		form, err := r.form(maxForm)
		if err != nil {
			return err
		}
		if !w.offered(k) {
			return refuse(http.StatusNotFound, "error.not_found", nil)
		}
		if !w.key.valid(form.Get(csrfField), txnRecover+string(k), r.v.Browser, pageRecover, pageSignUp) {
			return &refusal{status: http.StatusForbidden, text: "error.form", again: w.at(startPath(k))}
		}
		back := form.Get("return")
		if _, err := uuid.Parse(back); err != nil {
			back = ""
		}
		b := account.Begin{Kind: k, Login: form.Get("login"), Channel: delivery.Channel(form.Get("channel")), Return: back}
		if k == account.SignUp {
			b.Values = map[string]string{}
			for _, name := range w.cfg.Recovery.Offers().Attributes {
				b.Values[name] = form.Get(name)
			}
		}
		f, err := w.cfg.Recovery.Start(r.ctx(), r.visitor(), b)
		if why, ok := errors.AsType[*account.Refusal](err); ok {
			return w.start(r, statusOfAccount(why), k, back, form, w.accountFault(r, why, "login", nil))
		}
		if err != nil {
			return fmt.Errorf("begin account flow: %w", err)
		}
		return r.to(w.flowPath(f.ID))
	}
}

func (w *Web) flowPath(id string) string { return w.at("/continue/" + id) }

// statusOfAccount is the status of a page that shows a refusal.
func statusOfAccount(why *account.Refusal) int {
	switch why.Reason {
	case account.SendLimited:
		return http.StatusTooManyRequests
	case account.Busy:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnprocessableEntity
	}
}

// accountFault says what is wrong, and with which field.
func (w *Web) accountFault(r *request, why *account.Refusal, field string, ask *account.AskPassword) *fault {
	v := view{Lang: r.lang, Look: w.look, web: w}
	r.retryAfter(why.RetryAfter)
	args := []string{"wait", v.Wait(why.RetryAfter)}
	key := "recover.refused_" + string(why.Reason)
	switch why.Reason {
	case account.Missing:
		key = "recover.missing_" + field
	case account.BadValue:
		field = why.Field
	case account.PasswordRules:
		if why.Faults.Length {
			key += "_length"
		}
		if ask != nil {
			args = append(args, "min", strconv.Itoa(ask.Rules.MinLength), "max", strconv.Itoa(ask.Rules.MaxLength))
		}
	case account.SendLimited, account.Busy, account.Exists, account.CodeExpired:
		field = ""
	default:
	}
	return &fault{Text: v.T(key, args...), Field: field}
}

// accountRefusal maps the errors of accounts to the page that is shown; nil for
// others.
func (w *Web) accountRefusal(err error) *refusal {
	switch {
	case errors.Is(err, account.ErrUnknown), errors.Is(err, account.ErrOver):
		return &refusal{status: http.StatusGone, text: "error.flow", again: w.at("/recover"), cause: err}
	case errors.Is(err, account.ErrOff):
		return refuse(http.StatusNotFound, "error.not_found", err)
	}
	return nil
}

// returnPath is where to go on after a flow: the login that it began at, if this
// browser still has it.
func (w *Web) returnPath(r *request, id string) string {
	if id == "" {
		return ""
	}
	if _, err := w.cfg.Engine.Load(r.ctx(), r.v, id); err != nil {
		if !errors.Is(err, authn.ErrTxnUnknown) && !errors.Is(err, authn.ErrTxnExpired) && !errors.Is(err, authn.ErrTxnSpent) {
			w.cfg.Logger.WarnContext(r.ctx(), "look for login to return to", "error", err)
		}
		return ""
	}
	return w.loginPath(id)
}
