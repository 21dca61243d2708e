package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/account"
)

// takeLink exchanges the token in the address of a mailed link for a cookie and
// a clean address, and changes nothing else: mail scanners open links too.
func (w *Web) takeLink(r *request) error {
	if token := r.echo.Param("token"); plainSecret(token) {
		w.jar.set(r.echo.Response(), flowCookie, token, 0)
	}
	r.noReferrer()
	return r.to(w.at("/continue/link"))
}

// linkToken is the token that takeLink has kept.
func (w *Web) linkToken(r *request) string {
	if values := w.jar.values(r.http(), flowCookie, 1); len(values) == 1 {
		return values[0]
	}
	return ""
}

// confirmForm asks to go on with a link.
func (w *Web) confirmForm(r *request) error {
	f, err := w.cfg.Recovery.OpenLink(r.ctx(), w.linkToken(r))
	if err != nil {
		return fmt.Errorf("open link: %w", err)
	}
	r.keepBrowser()
	return r.render(http.StatusOK, pageRecoverConfirm, view{
		Title: "recover." + string(f.Kind) + "_title", CSRF: w.key.token(txnLink, pageRecoverConfirm, r.v.Browser),
		Body: confirmBody{Kind: f.Kind},
	})
}

type confirmBody struct{ Kind account.Kind }

// Text is the key of what the button leads to.
func (b confirmBody) Text() string { return "recover.confirm_" + string(b.Kind) }

// confirmLink consumes a link.
func (w *Web) confirmLink(r *request) error {
	form, err := r.form(maxForm)
	if err != nil {
		return err
	}
	if !w.key.valid(form.Get(csrfField), txnLink, r.v.Browser, pageRecoverConfirm) {
		return &refusal{status: http.StatusForbidden, text: "error.form", again: w.at("/continue/link")}
	}
	f, err := w.cfg.Recovery.Confirm(r.ctx(), r.visitor(), w.linkToken(r))
	if _, ok := errors.AsType[*account.Refusal](err); ok {
		err = account.ErrOver
	}
	if err != nil {
		return fmt.Errorf("confirm link: %w", err)
	}
	w.jar.set(r.echo.Response(), flowCookie, "", 0)
	return r.to(w.flowPath(f.ID))
}

// showFlow is the dispatcher of flows.
func (w *Web) showFlow(r *request) error {
	f, err := w.cfg.Recovery.Load(r.ctx(), r.visitor(), r.echo.Param("flow"))
	if err != nil {
		return fmt.Errorf("load account flow: %w", err)
	}
	return w.askFlow(r, f, nil)
}

// flowCodeBody is the page that waits for the code of a message.
type flowCodeBody struct {
	Kind      account.Kind
	Channel   string
	Digits    int
	MaxLength int
	Resend    time.Duration
	Again     string // where to begin anew
	// Told tells that no code is waited for.
	Told bool
}

// Text is the key of what to do.
func (b flowCodeBody) Text() string {
	if b.Told {
		return "recover.told"
	}
	return "recover.sent_" + b.Channel
}

// ResendSeconds is Resend in whole seconds.
func (b flowCodeBody) ResendSeconds() int64 { return seconds(b.Resend) }

// flowPasswordBody is the page that takes a new password.
type flowPasswordBody struct {
	Kind     account.Kind
	UserName string
	Min, Max int
	Earlier  int
}

// flowDoneBody is the last page.
type flowDoneBody struct {
	Kind   account.Kind
	Return string
}

// Text is the key of what was done.
func (b flowDoneBody) Text() string { return "recover.done_" + string(b.Kind) }

// maxFlowCode is longer than any code.
const maxFlowCode = 32

// askFlow shows the page of a step, with what is wrong with the last answer.
func (w *Web) askFlow(r *request, f account.Flow, why *account.Refusal) error {
	v := view{Txn: f.ID, Post: w.flowPath(f.ID) + "/", Title: "recover." + string(f.Kind) + "_title"}
	status, p, field := http.StatusOK, pageRecoverCode, "code"
	var ask *account.AskPassword
	switch s := w.cfg.Recovery.Step(f).(type) {
	case account.AskCode:
		v.Body = flowCodeBody{
			Kind: s.Kind, Channel: string(s.Channel), Digits: s.Digits, MaxLength: maxFlowCode,
			Resend: max(0, s.ResendAt.Sub(w.cfg.Now())), Again: w.at(startPath(s.Kind)),
		}
	case account.Told:
		v.Body = flowCodeBody{Kind: s.Kind, Told: true, Again: w.at(startPath(s.Kind))}
	case account.AskPassword:
		p, field, ask = pageRecoverPassword, "new_password", &s
		v.Title = "recover.password_step_title"
		v.Body = flowPasswordBody{Kind: s.Kind, UserName: s.UserName, Min: s.Rules.MinLength, Max: s.Rules.MaxLength, Earlier: s.Earlier}
	case account.Done:
		p = pageRecoverDone
		v.Title = "recover.done_" + string(s.Kind) + "_title"
		v.Body = flowDoneBody{Kind: s.Kind, Return: w.returnPath(r, s.Return)}
	default:
		return fmt.Errorf("step of type %T is not known here", s)
	}
	if why != nil {
		status = statusOfAccount(why)
		v.Fault = w.accountFault(r, why, field, ask)
	}
	return r.render(status, p, v)
}

// actFlow takes a form of a flow.
func (w *Web) actFlow(r *request) error {
	form, err := r.form(maxForm)
	if err != nil {
		return err
	}
	visitor := r.visitor()
	f, err := w.cfg.Recovery.Load(r.ctx(), visitor, r.echo.Param("flow"))
	if err != nil {
		return fmt.Errorf("load account flow: %w", err)
	}
	if !w.key.valid(form.Get(csrfField), f.ID, r.v.Browser, pageRecoverCode, pageRecoverPassword) {
		return &refusal{status: http.StatusForbidden, text: "error.form", again: w.flowPath(f.ID)}
	}
	switch r.echo.Param("action") {
	case "code":
		// A page strips the blanks around a code that was pasted (security.md 5).
		_, err = w.cfg.Recovery.Code(r.ctx(), visitor, f, strings.TrimSpace(form.Get("code")))
	case "send":
		err = w.cfg.Recovery.Resend(r.ctx(), visitor, f)
	case "password":
		_, err = w.cfg.Recovery.SetPassword(r.ctx(), visitor, f, form.Get("new_password"))
	default:
		return refuse(http.StatusNotFound, "error.not_found", nil)
	}
	if why, ok := errors.AsType[*account.Refusal](err); ok && why.Reason != account.OutOfStep {
		return w.askFlow(r, f, why)
	}
	if err != nil {
		if _, ok := errors.AsType[*account.Refusal](err); !ok {
			return fmt.Errorf("account flow: %w", err)
		}
	}
	return r.to(w.flowPath(f.ID))
}
