package web

import (
	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/validation"
)

// enrolCookie holds the login that waits for an enrolment on the pages of the
// account. It only says where to go on: the login belongs to the browser.
const enrolCookie = "sp_enrol"

// enrolChoice is a way to prove who one is that can be set up.
type enrolChoice struct {
	Factor acr.Factor
	Path   string // of the page of the account that does
	Text   string // key
}

// inlineEnrolBody is the page that asks to set up a second factor.
type inlineEnrolBody struct {
	Choices []enrolChoice
	MaySkip bool
}

// MayBeSkipped reports whether the step may be given up.
func (b inlineEnrolBody) MayBeSkipped() bool { return b.MaySkip }

// askEnrol leads to the pages of the account on which a factor is set up. They
// lead back, and then it is asked for.
func (w *Web) askEnrol(r *request, t authn.Txn, v view, s authn.AskEnrol, re *refused) error {
	b := inlineEnrolBody{MaySkip: s.MaySkip}
	if w.cfg.Account != nil {
		b.Choices = w.enrolChoices(s.Factors)
	}
	w.jar.set(r.echo.Response(), enrolCookie, t.ID, authn.TxnAbsolute)
	v = v.of(s.User)
	v.Title, v.Body = "enrol.title", b
	return w.page(r, t, pageInlineEnrol, v, re)
}

func (w *Web) enrolChoices(factors []acr.Factor) []enrolChoice {
	var out []enrolChoice
	seen := map[string]bool{}
	for _, f := range factors {
		c := enrolChoice{Factor: f}
		switch f {
		case acr.TOTP:
			c.Path, c.Text = accountSecurityPath+"/app", "own.add_totp"
		case acr.EmailOTP:
			c.Path, c.Text = accountSecurityPath+"/"+string(validation.EnrolledEmail), "own.add_email"
		case acr.SMSOTP, acr.VoiceOTP:
			c.Path, c.Text = accountSecurityPath+"/"+string(validation.EnrolledPhone), "own.add_phone"
		case acr.Passkey:
			if w.cfg.Account.Credentials.TakesPasskeys() {
				c.Path, c.Text = enrolPasskeyPath, "own.add_passkey"
			}
		default: // cannot be set up by its user
		}
		if c.Path != "" && !seen[c.Path] {
			seen[c.Path] = true
			out = append(out, c)
		}
	}
	return out
}

// onward is the path of the login that waits for an enrolment; "": none does.
func (r *request) onward() string {
	ids := r.web.jar.values(r.http(), enrolCookie, 1)
	if len(ids) == 0 {
		return ""
	}
	return r.web.loginPath(ids[0])
}

// settled forgets that a login waits for an enrolment, once it asks for
// something else.
func (r *request) settled(t authn.Txn, step authn.Step) {
	if _, still := step.(authn.AskEnrol); !still && r.onward() == r.web.loginPath(t.ID) {
		r.web.jar.set(r.echo.Response(), enrolCookie, "", 0)
	}
}
