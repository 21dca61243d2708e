package servertest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// The authenticators that begin a login, and those that come on top.
var (
	firstFactors  = []string{"password", "passkey", "federated", "email_otp", "sms_otp", "voice_otp"}
	secondFactors = []string{"totp", "email_otp", "sms_otp", "voice_otp", "passkey", "second_password", "recovery_code"}
)

// knowledge are the factors that somebody knows; a login elsewhere counts as one
// (docs/login.md). All others are something that somebody has.
var knowledge = []string{"password", "federated", "second_password"}

// pairACR names the ACR that wants one factor and then another, of different
// categories if distinct.
func pairACR(first, second string, distinct bool) string {
	name := first + "+" + second
	if distinct {
		name += "!"
	}
	return name
}

// reachable is the rule: one credential or channel counts once, except a passkey
// that verified its user, which may stand for both; distinct asks for two
// categories.
func reachable(first, second string, distinct bool) bool {
	telephone := func(f string) bool { return f == "sms_otp" || f == "voice_otp" }
	switch {
	case first == "passkey" && second == "passkey":
		return true
	case first == second, telephone(first) && telephone(second):
		return false
	case first == "passkey" || second == "passkey": // possession and knowledge in one
		return true
	}
	return !distinct || slices.Contains(knowledge, first) != slices.Contains(knowledge, second)
}

// impossible reports a pair that nobody could have: such an ACR is refused at the
// start.
func impossible(first, second string, distinct bool) bool {
	if first == "passkey" || second == "passkey" {
		return false
	}
	sameKind := slices.Contains(knowledge, first) == slices.Contains(knowledge, second)
	return first == second || distinct && sameKind
}

// eachPair goes through all pairs that an ACR can ask for.
func eachPair(do func(first, second string, distinct bool)) {
	for _, first := range firstFactors {
		for _, second := range secondFactors {
			for _, distinct := range []bool{false, true} {
				if !impossible(first, second, distinct) {
					do(first, second, distinct)
				}
			}
		}
	}
}

// somebody has every factor that there is.
type somebody struct {
	servertest.Person
	t     *testing.T
	w     town
	idp   *fakeidp.Server
	phone string
	app   servertest.Person // with the code of the authenticator app
	mail  servertest.Person
	codes []string // for recovery, those that are left

	rp  virtualwebauthn.RelyingParty
	key virtualwebauthn.Authenticator
}

// newSomebody enrols everything, each as its user would.
func newSomebody(t *testing.T, w town, idp *fakeidp.Server) *somebody {
	t.Helper()
	s := &somebody{t: t, w: w, idp: idp, phone: "+15125550100"}
	s.Person = w.NewPerson(t, "ann", mailbox("ann"))
	idp.Set(func(set *fakeidp.Settings) { set.Claims = verified("ann") })
	s.addPasskey() // while a password suffices to add a factor
	s.mail = w.WithEmail(t, s.Person, "ann@example.org")
	s.app = w.withTOTP(t, s.Person)
	s.validatePhone()
	w.withSecond(t, s.Person)
	s.codes = w.withCodes(t, s.Person)
	return s
}

func (s *somebody) validatePhone() {
	s.t.Helper()
	token := s.w.Token(s.t, "compat", "scim:admin")
	r := s.w.Do(s.t, http.MethodPost, "/scim/v2/Users/"+s.ID+"/validatedPhoneNumbers", token,
		fmt.Sprintf(`{"attributePath":"secondFactorPhoneNumber","attributeValue":%q}`, s.phone))
	if r.Status != http.StatusCreated {
		s.t.Fatalf("start with the number: %d %s", r.Status, r.Body)
	}
	location, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		s.t.Fatal(err)
	}
	r = s.w.Do(s.t, http.MethodPut, location.Path, token, fmt.Sprintf(
		`{"attributePath":"secondFactorPhoneNumber","verifyCode":%q}`, s.w.MailedCode(s.t, s.phone)))
	if r.Status != http.StatusOK {
		s.t.Fatalf("finish with the number: %d %s", r.Status, r.Body)
	}
}

// addPasskey makes a passkey on the pages of the account.
func (s *somebody) addPasskey() {
	s.t.Helper()
	issuer, err := url.Parse(s.w.Issuer())
	if err != nil {
		s.t.Fatal(err)
	}
	s.rp = virtualwebauthn.RelyingParty{ID: issuer.Hostname(), Name: "Sallyport", Origin: s.w.Issuer()}
	b := s.w.Browser(s.t)
	p := b.LogIn(b.Open("/account/security/passkey"), s.Person)
	token, ok := p.Value("passkey", "csrf")
	if !ok {
		s.t.Fatalf("no page to make a passkey on:\n%s", p.Text())
	}
	options, err := virtualwebauthn.ParseAttestationOptions(b.Post("/account/security/passkey/options", url.Values{"csrf": {token}}).Body)
	if err != nil {
		s.t.Fatalf("options of a registration: %v", err)
	}
	key := newKey()
	s.key = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(options.UserID)})
	s.key.AddCredential(key)
	p = b.Submit(p, "passkey", "name", "Key", "answer", virtualwebauthn.CreateAttestationResponse(s.rp, s.key, key, *options))
	if p.Status != http.StatusOK {
		s.t.Fatalf("add the passkey: %d\n%s", p.Status, p.Text())
	}
}

// showPasskey answers a page with the passkey.
func (s *somebody) showPasskey(b *servertest.Browser, p servertest.Page) servertest.Page {
	s.t.Helper()
	token, ok := p.Value("passkey", "csrf")
	if !ok {
		s.t.Fatalf("no passkey is asked for:\n%s", p.Text())
	}
	txn, _, _ := strings.Cut(strings.TrimPrefix(p.URL.Path, "/login/"), "/")
	reply := b.Post("/login/"+txn+"/passkey/options", url.Values{"csrf": {token}})
	options, err := virtualwebauthn.ParseAssertionOptions(reply.Body)
	if err != nil {
		s.t.Fatalf("options of a login: %v: %d %s", err, reply.Status, reply.Body)
	}
	return b.Submit(p, "passkey", "answer", virtualwebauthn.CreateAssertionResponse(s.rp, s.key, s.key.Credentials[0], *options))
}

// begin shows the first factor.
func (s *somebody) begin(b *servertest.Browser, p servertest.Page, first string) servertest.Page {
	s.t.Helper()
	switch first {
	case "password":
		return b.Submit(p, "login", "username", s.UserName, "password", s.Password)
	case "passkey":
		return s.showPasskey(b, p)
	case "federated":
		return b.Submit(p, "federate", "upstream", "corp")
	default:
		p = b.Submit(p, "factor", "username", s.UserName, "factor", first)
		if _, err := s.w.Directory().SendQueuedCodes(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		return b.Submit(p, "code", "code", s.sent(first))
	}
}

// sent is the code of the newest message of a factor.
func (s *somebody) sent(factor string) string {
	s.t.Helper()
	if factor == "email_otp" {
		return s.w.MailedCode(s.t, s.mail.Address)
	}
	return s.w.MailedCode(s.t, s.phone)
}

var factorName = regexp.MustCompile(`^[a-z_]+`)

// further shows the second factor, which is picked where that is asked, and
// returns the page behind it.
func (s *somebody) further(b *servertest.Browser, p servertest.Page, second string) servertest.Page {
	s.t.Helper()
	if p.Kind() == servertest.KindFactor {
		for value := range p.Buttons("factor", "factor") {
			if factorName.FindString(value) != second {
				s.t.Fatalf("%s is offered where %s is asked for", value, second)
			}
			p = b.Submit(p, "factor", "factor", value)
			break
		}
	}
	if p.Away != nil {
		return p
	}
	switch second {
	case "passkey":
		return s.showPasskey(b, p)
	case "totp":
		return b.Submit(p, "code", "code", s.app.Code(s.t))
	case "second_password":
		return b.Submit(p, "code", "secret", secondSecret)
	case "recovery_code":
		code := s.codes[0]
		s.codes = s.codes[1:]
		return b.Submit(p, "code", "code", code)
	default:
		return b.Submit(p, "code", "code", s.sent(second))
	}
}

// amrOf is what a token must say of a pair.
func amrOf(first, second string) []any {
	names := map[string][]string{
		"password": {"pwd"}, "second_password": {"pwd"}, "passkey": {"hwk", "user"},
		"totp": {"otp"}, "email_otp": {"otp"}, "recovery_code": {"otp"}, "sms_otp": {"otp", "sms"}, "voice_otp": {"otp", "tel"},
	}
	all := append(slices.Clone(names[first]), names[second]...)
	passkey := first == "passkey" || second == "passkey"
	if passkey || slices.Contains(knowledge, first) != slices.Contains(knowledge, second) {
		all = append(all, "mfa")
	}
	telephone := func(f string) bool { return f == "sms_otp" || f == "voice_otp" }
	if telephone(first) != telephone(second) {
		all = append(all, "mca")
	}
	slices.Sort(all)
	var out []any
	for _, name := range slices.Compact(all) {
		out = append(out, name)
	}
	return out
}

// TestPairs logs in with each authenticator that can begin a login and each that
// comes on top, where the rules allow the pair, and is refused where they do not.
func TestPairs(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			idp := fakeidp.New(time.Now)
			t.Cleanup(idp.Close)
			provider := corp(idp.URL)
			byAddress(&provider)
			w := newTown(t, kind, func(c *config.Config) {
				c.Listen, c.UserFloor = "localhost:0", false
				c.IdentityProviders = []config.IdentityProvider{provider}
				eachPair(func(first, second string, distinct bool) {
					c.ACRs = append(c.ACRs, config.ACR{Name: pairACR(first, second, distinct), Distinct: distinct, Needs: []config.Need{
						{AnyOf: []string{first}}, {AnyOf: []string{second}},
					}})
				})
			})
			idp.Set(func(s *fakeidp.Settings) { s.Now = w.clock.Now })
			ann := newSomebody(t, w, idp)
			app := w.Application(t, oidc.Client{Name: "App", Trusted: true})
			eachPair(func(first, second string, distinct bool) { ann.pair(app, first, second, distinct) })
		})
	}
}

// pair is one line of the table.
func (s *somebody) pair(app *servertest.Application, first, second string, distinct bool) {
	s.t.Helper()
	s.w.clock.advance(25 * time.Hour) // another day for the limits of sends
	if len(s.codes) == 0 {
		s.codes = s.w.withCodes(s.t, s.Person)
	}
	name := pairACR(first, second, distinct)
	b := s.w.Browser(s.t)
	b.Visits(s.idp.URL)
	p := s.begin(b, b.Open(app.AuthURL("acr_values", name)), first)
	if !reachable(first, second, distinct) {
		if p.Away == nil || p.Answer(s.t).Get("error") != "interaction_required" {
			s.t.Errorf("%s: %v\n%s", name, p.Away, p.Text())
		}
		return
	}
	if first != second { // one passkey stands for both
		if p.Away != nil {
			s.t.Errorf("%s: after %s alone: %v", name, first, p.Away)
			return
		}
		p = s.further(b, p, second)
	}
	if p.Away == nil {
		s.t.Errorf("%s: %d\n%s", name, p.Status, p.Text())
		return
	}
	tokens := app.Redeem(s.t, p.Code(s.t))
	if diff := cmp.Diff(amrOf(first, second), tokens.Claims["amr"]); diff != "" || tokens.ACR() != name || tokens.Subject() != s.ID {
		s.t.Errorf("%s: acr %q, sub %q, amr (-want +got):\n%s", name, tokens.ACR(), tokens.Subject(), strings.TrimSpace(diff))
	}
}

// wholeKey is the length of a COSE key on P-256 whose coordinates both fill their
// 32 bytes (RFC 9053 section 7.1.1).
const wholeKey = 77

// newKey makes a key. The authenticator of these tests cuts leading zeros of
// coordinates, which nobody may take; such a key is made again.
func newKey() virtualwebauthn.Credential {
	for {
		if made := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(made.Key.AttestationData()) == wholeKey {
			return made
		}
	}
}
