package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
)

// refused is an answer that was not accepted.
type refused struct {
	action   string
	why      *authn.Refusal
	username string // as it was typed
}

// ask shows the page of a step.
func (w *Web) ask(r *request, t authn.Txn, v view, step authn.Step, re *refused) error {
	r.speak(t.Languages, userOf(step).Languages())
	switch s := step.(type) {
	case authn.AskAccount:
		v.Title, v.Body = "account.title", accountBody(s)
		return w.page(r, t, pageAccount, v, re)
	case authn.AskLogin:
		return w.askLogin(r, t, v, s, re)
	case authn.AskFactor:
		v = v.of(s.User)
		b := factorBody{Methods: methods(s.Choices), Confirms: s.Confirms, MaySkip: s.MaySkip, Reason: s.Reason}
		v.Title, v.Body = b.Title(), b
		return w.page(r, t, pageFactor, v, re)
	case authn.AskCode:
		v = v.of(s.User)
		b := w.codeBody(s)
		v.Title, v.Body = b.Title(), b
		return w.page(r, t, pageCode, v, re)
	case authn.AskPasskey:
		return w.askPasskey(r, t, v, s, re)
	case authn.AskEnrol:
		return w.askEnrol(r, t, v, s, re)
	case authn.AskNewPassword:
		v = v.of(s.User)
		v.Title, v.Body = "password.title", passwordBody{Min: s.MinLength, Max: s.MaxLength, Reason: s.Reason}
		return w.page(r, t, pagePassword, v, re)
	default:
		return fmt.Errorf("step of type %T is not known", step)
	}
}

// userOf is who a step is about; the zero User when that is not known.
func userOf(step authn.Step) authn.User {
	switch s := step.(type) {
	case authn.AskFactor:
		return s.User
	case authn.AskCode:
		return s.User
	case authn.AskPasskey:
		return s.User
	case authn.AskEnrol:
		return s.User
	case authn.AskNewPassword:
		return s.User
	case authn.AskLogin:
		if s.User != nil {
			return *s.User
		}
	}
	return authn.User{}
}

// of adds who logs in, unless that may not be told yet.
func (v view) of(u authn.User) view {
	if u.ID != "" {
		v.User = newPerson(u)
	}
	return v
}

// page shows the page of a step, with what is wrong with the last answer.
func (w *Web) page(r *request, t authn.Txn, p page, v view, re *refused) error {
	status := http.StatusOK
	if re != nil {
		status = statusOf(re.why)
		r.retryAfter(re.why.RetryAfter)
		v.Lang, v.Look, v.web = r.lang, w.look, w
		v.Fault = v.faultOf(p, re)
	}
	v.Txn = t.ID
	return r.render(status, p, v)
}

// statusOf is the status of a page that shows a refusal. A password that came
// too early looks like a wrong one (security.md section 2.2).
func statusOf(why *authn.Refusal) int {
	switch why.Reason {
	case authn.FactorLocked, authn.SendLimited:
		return http.StatusTooManyRequests
	case authn.Busy:
		return http.StatusServiceUnavailable
	default:
		return http.StatusUnprocessableEntity
	}
}

// faultOf says what is wrong, and with which field.
func (v view) faultOf(p page, re *refused) *fault {
	field := map[page]string{pageLogin: "password", pageCode: "code", pagePassword: "new_password"}[p]
	if b, ok := v.Body.(codeBody); ok {
		field = b.Field()
	}
	key := "refusal." + string(re.why.Reason)
	args := []string{"wait", v.Wait(re.why.RetryAfter), "provider", re.why.Provider}
	switch re.why.Reason {
	case authn.Missing:
		if p == pageLogin && v.User == nil && re.username == "" {
			field = "username"
		}
		if key = "missing." + field; !v.Has(key) {
			key, field = "missing.choice", ""
		}
	case authn.BadCredentials:
		if v.User != nil {
			key = "refusal.bad_password"
		}
	case authn.PasswordRules:
		if b, ok := v.Body.(passwordBody); ok {
			args = append(args, "min", strconv.Itoa(b.Min), "max", strconv.Itoa(b.Max))
		}
	case authn.FactorLocked, authn.SendLimited:
		if re.why.RetryAfter <= 0 {
			key += "_for_good"
		}
		field = ""
	case authn.SendFailed, authn.Busy, authn.Unavailable, authn.Waiting, authn.WrongPasskey, authn.PasskeyExpired:
		field = ""
	case authn.UpstreamDenied, authn.UpstreamDown, authn.UpstreamInvalid, authn.UpstreamOff, authn.UpstreamStale,
		authn.UpstreamNotLinked, authn.UpstreamOther, authn.UpstreamInactive:
		field = ""
	default:
	}
	return &fault{Text: v.T(key, args...), Field: field}
}

// method is a way to prove who one is, as a page lists it.
type method struct {
	Value  string // of the field "factor"
	Factor acr.Factor
	Masked string
	Locked time.Duration
	Name   string // what its user calls it
}

func methods(choices []authn.Choice) []method {
	out := make([]method, len(choices))
	for i, c := range choices {
		value := string(c.Factor)
		if c.Credential != "" {
			value += ":" + c.Credential
		}
		out[i] = method{Value: value, Factor: c.Factor, Masked: c.Masked, Locked: c.LockedFor, Name: c.Name}
	}
	return out
}

// loginBody is the login page.
type loginBody struct {
	UserName string // what the field is filled with
	// Password tells that a password would do; Codes are further first factors.
	Password bool
	Codes    []acr.Factor
	// Passkey tells that a passkey would do.
	Passkey bool
	// Upstreams are the providers elsewhere to log in at.
	Upstreams []authn.Upstream
	Fixed     bool
	Reason    acr.StepReason
}

func (w *Web) askLogin(r *request, t authn.Txn, v view, s authn.AskLogin, re *refused) error {
	b := loginBody{UserName: s.Hint, Fixed: s.Fixed, Reason: s.Reason, Upstreams: s.Upstreams}
	if re != nil && re.username != "" {
		b.UserName = re.username
	}
	for _, f := range s.Factors {
		switch f {
		case acr.Password:
			b.Password = true
		case acr.Passkey:
			b.Passkey = true
		case acr.Federated: // by its providers
		default: // codes that are sent, and what services of others judge
			b.Codes = append(b.Codes, f)
		}
	}
	v.Title, v.Body = "login.title", b
	if s.User != nil {
		v = v.of(*s.User)
		v.Title = "login.again_title"
	}
	return w.page(r, t, pageLogin, v, re)
}

// Beginning is what the button says that begins a login with a factor.
func (v view) Beginning(f acr.Factor) string {
	if key := "login.with_" + string(f); v.Has(key) {
		return v.T(key)
	}
	return v.Named(method{Factor: f})
}

func accountBody(s authn.AskAccount) []accountChoice {
	out := make([]accountChoice, len(s.Accounts))
	for i, a := range s.Accounts {
		out[i] = accountChoice{ID: a.SessionID, person: *newPerson(a.User)}
	}
	return out
}

// accountChoice is one account to choose.
type accountChoice struct {
	ID string
	person
}

// factorBody is the page that offers several ways.
type factorBody struct {
	Methods []method
	// Confirms tells that an address or number is confirmed, not shown.
	Confirms bool
	MaySkip  bool
	Reason   acr.StepReason
}

// Title is the key of the heading.
func (b factorBody) Title() string {
	if b.Confirms {
		return "confirm.title"
	}
	return "factor.title"
}

// AllLocked reports whether there is nothing to do but to wait.
func (b factorBody) AllLocked() bool {
	return !slices.ContainsFunc(b.Methods, func(m method) bool { return m.Locked == 0 })
}

// codeBody is the page that asks for a code.
type codeBody struct {
	Factor acr.Factor
	Masked string
	Digits int
	// Sent tells that the code is sent; Resend is how long until another may be
	// asked for.
	Sent   bool
	Resend time.Duration
	Locked time.Duration
	// Prompt is what a plugged-in authenticator says; Waits tells that nothing is
	// typed.
	Prompt                         string
	Waits                          bool
	Confirms                       bool // as of factorBody
	Others                         []method
	MaySkip, MayRemember, Remember bool
	Reason                         acr.StepReason
}

func (w *Web) codeBody(s authn.AskCode) codeBody {
	b := codeBody{
		Factor: s.Choice.Factor, Masked: s.Choice.Masked, Digits: s.Digits, Locked: s.Choice.LockedFor,
		Prompt: s.Prompt, Waits: s.Waits, Confirms: s.Confirms, Others: methods(s.Others), MaySkip: s.MaySkip,
		MayRemember: s.MayRemember, Remember: s.Remember, Reason: s.Reason,
	}
	switch b.Factor {
	case acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP:
		b.Sent = true
		b.Resend = max(0, s.ResendAt.Sub(w.cfg.Now()))
	default:
	}
	return b
}

// Text is the key of what to do. Before a first factor is proved nobody is told
// whether there is somewhere to send a code to.
func (b codeBody) Text() string {
	key := "code." + string(b.Factor)
	if b.Sent && b.Masked == "" {
		key += "_blind"
	}
	return key
}

// Title is the key of the heading.
func (b codeBody) Title() string {
	switch {
	case b.Confirms:
		return "confirm.title"
	case b.Waits:
		return "code.title_waits"
	case b.Secret():
		return "code.title_secret"
	}
	return "code.title"
}

// Secret tells that what is typed must not be seen.
func (b codeBody) Secret() bool { return b.Factor == acr.SecondPassword }

// Field is the id of the field; a wrong answer is shown there.
func (b codeBody) Field() string {
	if b.Secret() {
		return "secret"
	}
	return "code"
}

// ResendSeconds is Resend in whole seconds.
func (b codeBody) ResendSeconds() int64 { return seconds(b.Resend) }

// MaxLength leaves room for blanks around a pasted code.
func (b codeBody) MaxLength() int {
	const blanks, longest = 8, 64
	if b.Digits == 0 {
		return longest
	}
	return b.Digits + blanks
}

// passwordBody is the page that asks for a new password.
type passwordBody struct {
	Min, Max int
	Reason   string // why the old one must go
}

// askConsent shows what the application asks for.
func (w *Web) askConsent(r *request, t authn.Txn, v view, u authn.User, c oidc.ConsentView) error {
	r.speak(t.Languages, u.Languages())
	v = v.of(u)
	v.Title, v.Body = "consent.title", c
	return r.render(http.StatusOK, pageConsent, v)
}

func number(n int64) string { return strconv.FormatInt(n, 10) }
