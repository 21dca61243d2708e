package flow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Accounts recover and register accounts; *account.Service is one. None of it
// logs anybody in.
type Accounts interface {
	// Offers tells what people may do.
	Offers() account.Offers
	// Start begins a flow and queues its message, whoever is named.
	Start(ctx context.Context, v account.Visitor, b account.Begin) (account.Flow, error)
	// Load returns a flow of this visitor, else account.ErrUnknown or account.ErrOver.
	Load(ctx context.Context, v account.Visitor, id string) (account.Flow, error)
	// Step says what to ask for.
	Step(f account.Flow) account.Step
	// Resend queues another message.
	Resend(ctx context.Context, v account.Visitor, f account.Flow) error
	// Code takes the code of the message, SetPassword the new password.
	Code(ctx context.Context, v account.Visitor, f account.Flow, code string) (account.Flow, error)
	SetPassword(ctx context.Context, v account.Visitor, f account.Flow, text string) (account.Flow, error)
}

// accountFlow says what a kind is.
func accountFlow(k kind) (account.Kind, string) {
	switch k {
	case kindUserName:
		return account.UserName, UsernameRecoveryURN
	case kindVerify:
		return account.Verify, VerifyAccountURN
	case kindRegister:
		return account.SignUp, RegistrationFlowURN
	default:
		return account.Password, PasswordRecoveryURN
	}
}

// offers reports whether the server offers a kind.
func (f *Flows) offers(k kind) bool {
	if f.cfg.Accounts == nil {
		return false
	}
	o := f.cfg.Accounts.Offers()
	return map[kind]bool{kindUserName: o.UserName, kindPassword: o.Password, kindVerify: o.Verify, kindRegister: o.SignUp}[k]
}

// ref is a reference to an account flow; false if it is not offered.
func (r *request) ref(k kind) (map[string]any, bool) {
	if !r.flows.offers(k) {
		return nil, false
	}
	uri, err := r.uri(k, nil)
	return map[string]any{"type": string(k), "$ref": uri}, err == nil
}

// addRecovery refers to the flows for those who cannot log in.
func (r *request) addRecovery(member map[string]any) {
	for name, k := range map[string]kind{"usernameRecovery": kindUserName, "passwordRecovery": kindPassword, "verifyAccount": kindVerify} {
		if ref, ok := r.ref(k); ok {
			member[name] = ref
		}
	}
}

func (r *request) registration() (map[string]any, bool) { return r.ref(kindRegister) }

// visitor is who asks, for account flows.
func (r *request) accountVisitor() account.Visitor {
	return account.Visitor{
		Browser: r.v.Browser, IP: r.v.IP, UserAgent: r.v.UserAgent, RequestID: r.v.RequestID, Languages: r.v.Languages,
	}
}

// begun is the account flow of the place; false before it has begun.
func (r *request) begun() (account.Flow, bool, error) {
	if !r.flows.offers(r.kind) {
		return account.Flow{}, false, errNoPlace
	}
	if r.place.Account == "" {
		return account.Flow{}, false, nil
	}
	f, err := r.flows.cfg.Accounts.Load(r.ctx(), r.accountVisitor(), r.place.Account)
	if errors.Is(err, account.ErrUnknown) || errors.Is(err, account.ErrOver) {
		return f, false, errNoPlace
	}
	if err != nil {
		return f, false, fmt.Errorf("load account flow: %w", err)
	}
	if want, _ := accountFlow(r.kind); f.Kind != want {
		return f, false, errNoPlace
	}
	return f, true, nil
}

// showAccount answers a GET of an account flow.
func (r *request) showAccount() error {
	f, begun, err := r.begun()
	if err != nil {
		return err
	}
	return r.presentAccount(f, begun, outcome{})
}

// putAccount takes an answer to an account flow.
func (r *request) putAccount() error {
	data, err := r.body()
	if err != nil {
		return err
	}
	_, urn := accountFlow(r.kind)
	m, err := parse(data, urn)
	if err != nil {
		return err
	}
	f, begun, err := r.begun()
	if err != nil {
		return err
	}
	members, _ := r.accountMembers(f, begun)
	for _, name := range m.named {
		if _, ok := members[name]; !ok {
			return invalid("The member %s is not part of this step; leave it out.", shown(name))
		}
	}
	if r.txn, err = r.flows.cfg.Engine.Advance(r.ctx(), r.v, r.txn, r.place.Number); err != nil {
		return err
	}
	done, f, begun, err := r.performAccount(m, f, begun)
	if err != nil {
		refusal, ok := errors.AsType[*account.Refusal](err)
		if !ok || refusal.Reason == account.OutOfStep || refusal.Reason == account.Busy {
			return accountFault(err)
		}
		done.wrong, done.more = &authn.Refusal{RetryAfter: refusal.RetryAfter}, refusedAccount(refusal)
		r.retryAfter(refusal.RetryAfter)
	}
	return r.presentAccount(f, begun, done)
}

// performAccount does what a message asks for.
func (r *request) performAccount(m message, f account.Flow, begun bool) (outcome, account.Flow, bool, error) {
	for _, g := range m.answers {
		if g.urn == AccountLookupURN {
			r.place.Login = strings.TrimSpace(g.username)
		}
	}
	for _, g := range m.answers {
		done := outcome{urn: g.urn}
		var err error
		switch {
		case g.urn == AccountLookupURN:
			continue
		case !begun:
			if f, err = r.startAccount(g); err == nil {
				r.place.Account, begun = f.ID, true
			}
			return done, f, begun, err
		case g.code == "":
			err = r.flows.cfg.Accounts.Resend(r.ctx(), r.accountVisitor(), f)
			return done, f, begun, err
		}
		after, err := r.flows.cfg.Accounts.Code(r.ctx(), r.accountVisitor(), f, strings.TrimSpace(g.code))
		if err != nil || m.newPassword == "" {
			return done, either(err, f, after), begun, err
		}
		return r.setPassword(done, after, m.newPassword)
	}
	if begun && m.newPassword != "" {
		return r.setPassword(outcome{}, f, m.newPassword)
	}
	if r.place.Login != "" && !begun {
		return outcome{urn: AccountLookupURN}, f, begun, nil
	}
	return outcome{}, f, begun, nil
}

// either is the flow as it was when an answer failed, else as it became.
func either(err error, before, after account.Flow) account.Flow {
	if err != nil {
		return before
	}
	return after
}

func (r *request) setPassword(done outcome, f account.Flow, text string) (outcome, account.Flow, bool, error) {
	after, err := r.flows.cfg.Accounts.SetPassword(r.ctx(), r.accountVisitor(), f, text)
	return done, either(err, f, after), true, err
}

// startAccount begins the flow.
func (r *request) startAccount(g given) (account.Flow, error) {
	k, _ := accountFlow(r.kind)
	b := account.Begin{Kind: k, Login: r.place.Login, Channel: delivery.Email, Return: r.txn.ID, Languages: r.txn.Languages}
	switch g.urn {
	case RegistrationURN:
		b.Login, b.Values = g.attributes["email"], map[string]string{}
		for name, value := range g.attributes {
			if name != "email" {
				b.Values[name] = value
			}
		}
	case TelephonyCodeURN:
		b.Channel = delivery.SMS
	}
	if g.code != "" {
		return account.Flow{}, &account.Refusal{Reason: account.CodeExpired}
	}
	return r.flows.cfg.Accounts.Start(r.ctx(), r.accountVisitor(), b)
}

// accountFault is an error of the account flows as clients are told it.
func accountFault(err error) error {
	switch refusal, ok := errors.AsType[*account.Refusal](err); {
	case ok && refusal.Reason == account.OutOfStep:
		return outOfDate()
	case ok:
		return scim.NewError(http.StatusServiceUnavailable, "", "The server is busy. Try again.").WithRetryAfter(refusal.RetryAfter).Because(err)
	case errors.Is(err, account.ErrUnknown), errors.Is(err, account.ErrOver), errors.Is(err, account.ErrOff):
		return fmt.Errorf("%w: %w", errNoPlace, err)
	}
	return err
}

// refusedAccount is what a member says of a refused answer.
func refusedAccount(why *account.Refusal) map[string]any {
	code, detail := invalidCredentials, "The answer is wrong."
	switch why.Reason {
	case account.Missing:
		detail = "Something is missing: name the account in an account lookup, or the e-mail address."
	case account.BadAddress:
		code, detail = invalidAttribute, "This is no e-mail address that can be used here."
	case account.BadValue:
		code, detail = invalidAttribute, "The attribute "+why.Field+" cannot have this value."
	case account.WrongCode:
		detail = "The code is wrong."
	case account.CodeExpired:
		code, detail = codeExpired, "No code is open: begin again."
	case account.SendLimited:
		code, detail = tooManyMessages, "There were too many messages; wait before you ask for another."
	case account.PasswordRules, account.Reused:
		code, detail = invalidPassword, "The new password does not meet the requirements."
	case account.Exists:
		code, detail = invalidAttribute, "There is an account with this address already."
	default:
	}
	return map[string]any{"error": code, "errorDetail": detail}
}

// presentAccount writes the message of an account flow.
func (r *request) presentAccount(f account.Flow, begun bool, done outcome) error {
	_, urn := accountFlow(r.kind)
	location, err := r.uri(r.kind, func(p *place) { p.Account = r.place.Account })
	if err != nil {
		return err
	}
	follow, err := r.uri(kindLogin, nil)
	if err != nil {
		return err
	}
	members, top := r.accountMembers(f, begun)
	m := map[string]any{
		"schemas":  []string{urn},
		"meta":     map[string]any{"resourceType": string(r.kind), "location": location},
		"followUp": map[string]any{"type": "login", "$ref": follow},
		"client":   r.clientView(),
		"success":  begun && over(r.flows.cfg.Accounts.Step(f)),
	}
	maps.Copy(m, top)
	if done.wrong != nil {
		member := members[done.urn]
		if member == nil { // a password that was refused
			member = m
		}
		member["status"] = Failure
		maps.Copy(member, done.more)
	}
	for name, member := range members {
		m[name] = member
	}
	return answer(r.echo, m)
}

// over reports whether nothing more is asked for.
func over(s account.Step) bool {
	switch s.(type) {
	case account.Told, account.Done:
		return true
	}
	return false
}

// accountMembers are the authenticators of an account flow, and what stands
// beside them.
func (r *request) accountMembers(f account.Flow, begun bool) (members map[string]map[string]any, top map[string]any) {
	if !begun {
		return r.accountStart(), nil
	}
	urn := EmailCodeURN
	if f.Doc.Channel == delivery.SMS {
		urn = TelephonyCodeURN
	}
	switch s := r.flows.cfg.Accounts.Step(f).(type) {
	case account.AskCode:
		member := map[string]any{"status": Waiting, "codeSent": true, "resendAfter": max(0, seconds(s.ResendAt.Sub(r.flows.cfg.Now())))}
		return map[string]map[string]any{urn: member, AccountLookupURN: {"status": Success}}, nil
	case account.AskPassword:
		return map[string]map[string]any{urn: {"status": Success}},
			map[string]any{"username": s.UserName, "passwordRequirements": requirements(s.Rules.MinLength, s.Rules.MaxLength)}
	}
	return map[string]map[string]any{urn: {"status": Success}}, nil
}

// accountStart are the members with which an account flow begins.
func (r *request) accountStart() map[string]map[string]any {
	offers := r.flows.cfg.Accounts.Offers()
	if r.kind == kindRegister {
		return map[string]map[string]any{RegistrationURN: {
			"status": Waiting, "registrableAttributes": slices.Concat([]string{"email"}, offers.Attributes),
		}}
	}
	out := map[string]map[string]any{
		AccountLookupURN: {"status": Waiting, "lookupParameters": []string{"username"}},
		EmailCodeURN:     {"status": Waiting, "codeSent": false},
	}
	if r.place.Login != "" {
		out[AccountLookupURN]["status"] = Success
	}
	if r.kind == kindPassword && offers.SMS {
		out[TelephonyCodeURN] = map[string]any{"status": Waiting, "codeSent": false}
	}
	return out
}
