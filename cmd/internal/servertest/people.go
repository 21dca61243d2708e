package servertest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// Person is somebody who logs in.
type Person struct {
	ID, UserName, Password string
	// Factor is the second factor to pick where several fit, as the field
	// "factor" names it ("totp", "email_otp"), without credential.
	Factor string
	// Code gives the code that the page asks for; nil: the person has none.
	Code func(tb testing.TB) string
	// NewPassword is set where a new one is demanded.
	NewPassword string
	// Address is the attribute secondFactorEmail.
	Address string
}

// maxQuestions is more than any login asks.
const maxQuestions = 12

// LogIn answers the questions of the pages as the person, beginning with this
// page, until the browser is sent to the application or a page asks nothing. It
// allows what consent is asked for, and presses the button of a page that posts
// the answer to the application (response_mode=form_post). An answer that is
// refused fails the test.
func (b *Browser) LogIn(p Page, who Person) Page {
	b.tb.Helper()
	for range maxQuestions {
		kind := p.Kind()
		if action, leaves := b.leaving(p); leaves {
			return b.Submit(p, action)
		}
		if p.Away != nil || kind == KindOther || kind == KindDevice || kind == KindLogout {
			return p
		}
		b.Asked = append(b.Asked, kind)
		p = b.answer(p, kind, who)
		if p.Status >= http.StatusBadRequest && p.Kind() == kind {
			b.tb.Fatalf("the answer to %s was refused with %d:\n%s", kind, p.Status, p.Text())
		}
	}
	b.tb.Fatalf("%d questions: %v", maxQuestions, b.Asked)
	return p
}

func (b *Browser) answer(p Page, kind string, who Person) Page {
	b.tb.Helper()
	switch kind {
	case KindLogin:
		return b.password(p, who)
	case KindAccount:
		return b.Submit(p, "account", "account", b.pick(p, "account", "account", who.UserName))
	case KindFactor:
		return b.Submit(p, "factor", "factor", b.pick(p, "factor", "factor", who.Factor))
	case KindCode:
		if who.Code == nil {
			b.tb.Fatalf("%s is asked for a code and has none:\n%s", who.UserName, p.Text())
		}
		return b.Submit(p, "code", "code", who.Code(b.tb))
	case KindPassword:
		return b.Submit(p, "password", "new_password", who.NewPassword)
	default:
		return b.Submit(p, "consent", "decision", "allow")
	}
}

// leaving finds the form of a page that goes to an application.
func (b *Browser) leaving(p Page) (action string, found bool) {
	for _, f := range p.forms {
		if !b.visits[originOf(f.Action)] {
			return path.Base(f.Action.Path), true
		}
	}
	return "", false
}

func (b *Browser) password(p Page, who Person) Page {
	b.tb.Helper()
	if f, _, _ := p.form("login"); f.editable("username") {
		return b.Submit(p, "login", "username", who.UserName, "password", who.Password)
	}
	return b.Submit(p, "login", "password", who.Password)
}

// pick finds the button whose value or text has this in it.
func (b *Browser) pick(p Page, action, name, want string) string {
	b.tb.Helper()
	for value, text := range p.Buttons(action, name) {
		if factor, _, _ := strings.Cut(value, ":"); factor == want || strings.Contains(text, want) && want != "" {
			return value
		}
	}
	b.tb.Fatalf("no %s %q to pick on the page:\n%s", name, want, p.Text())
	return ""
}

// NewPerson makes a user with a password through SCIM; more are further
// members of the JSON, such as `"displayName":"Ann"`.
func (s *Server) NewPerson(tb testing.TB, userName string, more ...string) Person {
	tb.Helper()
	who := Person{UserName: userName, Password: "correct horse " + userName}
	members := append([]string{fmt.Sprintf(`"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"password":%q,"active":true`,
		who.UserName, who.Password)}, more...)
	who.ID = member(tb, s.scim(tb, http.StatusCreated, http.MethodPost, "/scim/v2/Users", "{"+strings.Join(members, ",")+"}"), "id")
	return who
}

// WithTOTP registers an authenticator app for the person, which is oathtool, and
// switches second factors on. The clock must be the server's; the code of one
// step is spent here, so that it has to move by 30 seconds before the first
// login.
func (s *Server) WithTOTP(tb testing.TB, who Person, now func() time.Time) Person {
	tb.Helper()
	started := s.scim(tb, http.StatusCreated, http.MethodPost, "/scim/v2/Users/"+who.ID+"/totp", "")
	app := Authenticator{URI: member(tb, started, "otpAuthUri")}
	var record map[string]any
	if err := json.Unmarshal([]byte(started.Body), &record); err != nil {
		tb.Fatalf("read registration: %v", err)
	}
	record["verifyTotp"] = app.Code(tb, now())
	body, err := json.Marshal(record)
	if err != nil {
		tb.Fatalf("write registration: %v", err)
	}
	s.scim(tb, http.StatusOK, http.MethodPut, "/scim/v2/Users/"+who.ID+"/totp", string(body))
	s.SwitchSecondFactor(tb, who, true)
	who.Factor = "totp"
	who.Code = func(tb testing.TB) string { tb.Helper(); return app.Code(tb, now()) }
	return who
}

// WithEmail validates an address of the person through SCIM and the development
// inbox, and switches second factors on.
func (s *Server) WithEmail(tb testing.TB, who Person, address string) Person {
	tb.Helper()
	started := s.scim(tb, http.StatusCreated, http.MethodPost, "/scim/v2/Users/"+who.ID+"/validatedEmailAddresses", fmt.Sprintf(
		`{"schemas":["urn:pingidentity:scim:api:messages:2.0:EmailValidationRequest"],"attributePath":"secondFactorEmail","attributeValue":%q}`, address))
	var record map[string]any
	if err := json.Unmarshal([]byte(started.Body), &record); err != nil {
		tb.Fatalf("read validation: %v", err)
	}
	record["verifyCode"] = s.MailedCode(tb, address)
	body, err := json.Marshal(record)
	if err != nil {
		tb.Fatalf("write validation: %v", err)
	}
	location, err := url.Parse(started.Header.Get("Location"))
	if err != nil {
		tb.Fatalf("Location of validation: %v", err)
	}
	s.scim(tb, http.StatusOK, http.MethodPut, location.Path, string(body))
	s.SwitchSecondFactor(tb, who, true)
	who.Factor, who.Address = "email_otp", address
	who.Code = func(tb testing.TB) string { tb.Helper(); return s.MailedCode(tb, address) }
	return who
}

// SwitchSecondFactor sets secondFactorEnabled.
func (s *Server) SwitchSecondFactor(tb testing.TB, who Person, on bool) {
	tb.Helper()
	s.PatchPerson(tb, who, fmt.Sprintf(`{"op":"replace","path":"urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:secondFactorEnabled","value":%t}`, on))
}

// PatchPerson changes the user with PATCH operations, given as JSON objects.
func (s *Server) PatchPerson(tb testing.TB, who Person, operations ...string) {
	tb.Helper()
	s.scim(tb, http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+who.ID,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+strings.Join(operations, ",")+`]}`)
}

// MailedCode is the code of the newest message with one to an address in the
// development inbox, which only a server with a loopback issuer has: notices come
// in between.
func (s *Server) MailedCode(tb testing.TB, address string) string {
	tb.Helper()
	r := s.Do(tb, http.MethodGet, "/dev/inbox.json", "", "")
	var inbox struct {
		Recipients []struct {
			To       string `json:"to"`
			Messages []struct {
				Code string `json:"code"`
			} `json:"messages"`
		} `json:"recipients"`
	}
	if err := json.Unmarshal([]byte(r.Body), &inbox); err != nil || r.Status != http.StatusOK {
		tb.Fatalf("/dev/inbox.json: %d %s: %v", r.Status, r.Body, err)
	}
	for _, to := range inbox.Recipients {
		for _, m := range to.Messages {
			if strings.EqualFold(to.To, address) && m.Code != "" {
				return m.Code
			}
		}
	}
	tb.Fatalf("no code to %s in %s", address, r.Body)
	return ""
}

// scim sends a request with a token of every right and wants a status.
func (s *Server) scim(tb testing.TB, status int, method, target, body string) Reply {
	tb.Helper()
	s.admin.Do(func() { s.adminToken = s.Token(tb, "compat") })
	r := s.Do(tb, method, target, s.adminToken, body)
	if r.Status != status {
		tb.Fatalf("%s %s: %d %s, want %d", method, target, r.Status, r.Body, status)
	}
	return r
}

func member(tb testing.TB, r Reply, name string) string {
	tb.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(r.Body), &o); err != nil {
		tb.Fatalf("%v in %s", err, r.Body)
	}
	text, ok := o[name].(string)
	if !ok {
		tb.Fatalf("no %s in %s", name, r.Body)
	}
	return text
}

// Authenticator is an authenticator app: oathtool with what a key URI says.
type Authenticator struct{ URI string }

// Code is the code at a time.
func (a Authenticator) Code(tb testing.TB, now time.Time) string {
	tb.Helper()
	u, err := url.Parse(a.URI)
	if err != nil {
		tb.Fatalf("key URI: %v", err)
	}
	q := u.Query()
	args := []string{
		"--totp=" + strings.ToLower(orElse(q.Get("algorithm"), "SHA1")), "--base32",
		"--digits=" + orElse(q.Get("digits"), "6"), "--time-step-size=" + orElse(q.Get("period"), "30") + "s",
		"--now=" + now.UTC().Format("2006-01-02 15:04:05 UTC"), "-",
	}
	cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), "oathtool", args...) //nolint:gosec // the test names the program
	cmd.Stdin = strings.NewReader(q.Get("secret") + "\n")
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("oathtool (a package of that name): %v", err)
	}
	lines := slices.Collect(strings.FieldsSeq(string(out)))
	if len(lines) != 1 {
		tb.Fatalf("oathtool printed %q", out)
	}
	return lines[0]
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
