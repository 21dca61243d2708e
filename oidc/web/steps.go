package web

import (
	"context"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// txnPages are the pages of a transaction.
func txnPages() []page {
	return []page{pageLogin, pageAccount, pageFactor, pageCode, pagePasskey, pagePassword, pageInlineEnrol, pageConsent}
}

// actions are the parts that forms can ask for, by the last segment of their
// path.
func actions() map[string]action {
	return map[string]action{
		"login":    {[]page{pageLogin}, doLogin},
		"account":  {[]page{pageAccount}, doAccount},
		"another":  {txnPages(), doAnother},
		"factor":   {[]page{pageLogin, pageFactor, pageCode, pagePasskey}, doFactor},
		"passkey":  {[]page{pageLogin, pagePasskey}, doPasskey},
		"federate": {[]page{pageLogin}, doFederate},
		"send":     {[]page{pageCode}, doSend},
		"code":     {[]page{pageCode}, doCode},
		"password": {[]page{pagePassword}, doPassword},
		"consent":  {[]page{pageConsent}, doConsent},
		"verify":   {[]page{pageConsent}, doVerify},
		"skip":     {txnPages(), doSkip},
		"skipstep": {txnPages(), doSkipStep},
		"cancel":   {txnPages(), doCancel},
	}
}

// missing is the refusal of an empty submission.
func missing() error { return &authn.Refusal{Reason: authn.Missing} }

func doLogin(ctx context.Context, s *submission) error {
	name, password := strings.TrimSpace(s.field("username")), s.field("password")
	if password == "" {
		return missing()
	}
	grants, err := s.web.cfg.Engine.Login(ctx, s.v, s.txn, name, password)
	s.grant(grants)
	return err
}

func doAccount(ctx context.Context, s *submission) error {
	id := s.field("account")
	if id == "" {
		return missing()
	}
	grants, err := s.web.cfg.Engine.Account(ctx, s.v, s.txn, id)
	s.grant(grants)
	return err
}

func doAnother(ctx context.Context, s *submission) error {
	return s.web.cfg.Engine.Another(ctx, s.v, s.txn)
}

// doFactor takes "factor" as the name of a factor, with the credential behind a
// colon where there is one.
func doFactor(ctx context.Context, s *submission) error {
	factor, credential, _ := strings.Cut(s.field("factor"), ":")
	if factor == "" {
		return missing()
	}
	name := strings.TrimSpace(s.field("username"))
	return s.web.cfg.Engine.Choose(ctx, s.v, s.txn, name, acr.Factor(factor), credential)
}

func doSend(ctx context.Context, s *submission) error {
	return s.web.cfg.Engine.Send(ctx, s.v, s.txn)
}

// doCode strips the blanks around a code that was pasted (security.md section
// 5); within it nothing is stripped, and of a second password nothing at all.
func doCode(ctx context.Context, s *submission) error {
	code := s.field("secret")
	if code == "" {
		code = strings.TrimSpace(s.field("code"))
	}
	// Nothing is typed where the page only waits; the engine knows whether it does.
	if code == "" && s.field("waits") == "" {
		return missing()
	}
	if err := remember(ctx, s); err != nil {
		return err
	}
	grants, err := s.web.cfg.Engine.Code(ctx, s.v, s.txn, code)
	s.grant(grants)
	return err
}

func doPassword(ctx context.Context, s *submission) error {
	password := s.field("new_password")
	if password == "" {
		return missing()
	}
	grants, err := s.web.cfg.Engine.NewPassword(ctx, s.v, s.txn, password)
	s.grant(grants)
	return err
}

// doConsent grants what is ticked. Only the button that allows does, so that an
// empty submission grants nothing.
func doConsent(ctx context.Context, s *submission) (err error) {
	switch s.field("decision") {
	case "allow":
		s.reply, err = s.web.outcomeOf(s.txn).Consent(ctx, s.v, s.txn, slices.Clone(s.form["scope"]))
	case "deny":
		s.reply, err = s.web.outcomeOf(s.txn).Deny(ctx, s.v, s.txn)
	default:
		return &authn.Refusal{Reason: authn.OutOfStep}
	}
	return err
}

func doVerify(ctx context.Context, s *submission) error {
	name := s.field("acr")
	if name == "" {
		return missing()
	}
	return s.web.cfg.Engine.Verify(ctx, s.v, s.txn, name)
}

// remember passes the box on about this browser, if it says something new.
func remember(ctx context.Context, s *submission) error {
	on := s.field("remember") == "on"
	if on == s.txn.Progress.Remember {
		return nil
	}
	return s.web.cfg.Engine.Remember(ctx, s.v, s.txn, on)
}

func doSkipStep(ctx context.Context, s *submission) error {
	return s.web.cfg.Engine.SkipStep(ctx, s.v, s.txn)
}

func doSkip(ctx context.Context, s *submission) error {
	return s.web.cfg.Engine.Skip(ctx, s.v, s.txn)
}

func doCancel(ctx context.Context, s *submission) (err error) {
	s.reply, err = s.web.outcomeOf(s.txn).Cancel(ctx, s.v, s.txn)
	return err
}
