package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/oidc"
)

// answers is how often a transaction that is no longer ready when it is to
// give its answer is asked again what comes next.
const answers = 2

// show is the dispatcher: it shows the step of a transaction, or gives its
// answer.
func (w *Web) show(r *request) error {
	t, err := w.cfg.Engine.Load(r.ctx(), r.v, r.echo.Param("txn"))
	if err != nil {
		return fmt.Errorf("load transaction: %w", err)
	}
	return w.present(r, t, nil)
}

// present shows what the engine says comes next. The refused answer is nil
// where none was given.
func (w *Web) present(r *request, t authn.Txn, refused *refused) error {
	v, err := w.txnView(r, t)
	if err != nil {
		return err
	}
	for range answers {
		step, grants, err := w.cfg.Engine.Next(r.ctx(), r.v, t)
		r.grant(grants)
		if err != nil {
			return fmt.Errorf("next step: %w", err)
		}
		r.settled(t, step)
		switch s := step.(type) {
		case authn.Ready:
			err = w.answer(r, t, v, s)
		case authn.Failed:
			var reply oidc.Reply
			if reply, err = w.outcomeOf(t).Fail(r.ctx(), r.v, t, s.Reason); err == nil {
				err = w.reply(r, v, reply)
			}
		default:
			if away, err := w.toApplication(r, t, step); away || err != nil {
				return err
			}
			return w.ask(r, t, v, step, refused)
		}
		if !errors.Is(err, authn.ErrNotReady) {
			return err
		}
	}
	return authn.ErrNotReady
}

// answer ends a transaction whose login is ready, or asks for consent.
func (w *Web) answer(r *request, t authn.Txn, v view, ready authn.Ready) error {
	reply, consent, err := w.outcomeOf(t).Continue(r.ctx(), r.v, t, ready)
	if err != nil {
		return fmt.Errorf("continue: %w", err)
	}
	if consent == nil {
		return w.reply(r, v, reply)
	}
	if away, err := w.toApplication(r, t, nil); away || err != nil {
		return err
	}
	return w.askConsent(r, t, v, ready.User, *consent)
}

// txnView is what every page of a transaction shows. Its policy lets forms
// lead to the application.
func (w *Web) txnView(r *request, t authn.Txn) (view, error) {
	client, err := w.outcomeOf(t).ClientOf(r.ctx(), t)
	if err != nil {
		return view{}, fmt.Errorf("find application: %w", err)
	}
	source, err := w.outcomeOf(t).FormAction(r.ctx(), t)
	if err != nil {
		return view{}, fmt.Errorf("find application: %w", err)
	}
	r.headers(source)
	r.speak(t.Languages, "")
	return view{
		Txn: t.ID, Post: w.loginPath(t.ID) + "/", App: newApp(client),
		Verifying: len(t.Progress.Verify) > 0, Device: t.Purpose == oidc.PurposeDevice,
	}, nil
}

// action is a part that a form asks for.
type action struct {
	// pages are those whose forms may ask for it.
	pages []page
	do    func(context.Context, *submission) error
}

// submission is a form of a transaction.
type submission struct {
	*request
	txn  authn.Txn
	form map[string][]string
	// reply is the answer when the part has ended the transaction.
	reply oidc.Reply
	// away is where the browser goes to log in elsewhere.
	away *federated.Redirect
}

func (s *submission) field(name string) string {
	if values := s.form[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// act takes a form: its token, its part, and back to the dispatcher.
func (w *Web) act(r *request) error {
	name := r.echo.Param("action")
	part, known := actions()[name]
	if !known {
		return refuse(http.StatusNotFound, "error.not_found", nil)
	}
	form, err := r.form(maxForm)
	if err != nil {
		return err
	}
	t, err := w.cfg.Engine.Load(r.ctx(), r.v, r.echo.Param("txn"))
	if err != nil {
		return fmt.Errorf("load transaction: %w", err)
	}
	if !w.key.valid(form.Get(csrfField), t.ID, r.v.Browser, part.pages...) {
		return &refusal{status: http.StatusForbidden, text: "error.form", again: w.loginPath(t.ID)}
	}
	s := &submission{request: r, txn: t, form: form}
	err = part.do(r.ctx(), s)
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok && refusal.Reason != authn.OutOfStep {
		return w.again(s, name, refusal)
	}
	switch {
	case err != nil && !stepOver(err):
		return fmt.Errorf("%s: %w", name, err)
	case s.reply == nil && s.away == nil:
		return r.to(w.loginPath(t.ID))
	}
	v, err := w.txnView(r, t)
	if err != nil {
		return err
	}
	if s.away != nil {
		return w.away(r, v, *s.away)
	}
	return w.reply(r, v, s.reply)
}

// stepOver reports whether the form was for a step that is over, as after the
// back button or in a second tab: the dispatcher knows what is next.
func stepOver(err error) bool {
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		return refusal.Reason == authn.OutOfStep
	}
	return errors.Is(err, authn.ErrNotReady)
}

// again shows the page once more with the reason why the answer was refused.
func (w *Web) again(s *submission, action string, why *authn.Refusal) error {
	t, err := w.cfg.Engine.Load(s.ctx(), s.v, s.txn.ID)
	if err != nil {
		return fmt.Errorf("load transaction: %w", err)
	}
	return w.present(s.request, t, &refused{action: action, why: why, username: s.field("username")})
}
