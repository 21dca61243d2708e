package servertest_test

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestBreachedPasswordMustChange: a password that becomes known while it is in
// use is changed at the next login, before anything else, and for that reason
// alone (security.md 1: no expiry by age).
func TestBreachedPasswordMustChange(t *testing.T) {
	t.Parallel()
	first := servertest.SQLite(t)
	who := first.NewPerson(t, "ann")
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "breached.txt")
	if err := os.WriteFile(list, fmt.Appendf(nil, "%X:3\n", sha1.Sum([]byte(who.Password))), 0o600); err != nil {
		t.Fatal(err)
	}
	s := servertest.Start(t, first.Config, func(c *config.Config) { c.Password.BlocklistFile = list })
	app := s.Application(t, oidc.Client{Trusted: true})
	b := s.Browser(t)
	p := password(b, b.Open(app.AuthURL()), who)
	wantKind(t, p, servertest.KindPassword)
	if !strings.Contains(p.Text(), "became known elsewhere") {
		t.Errorf("the page does not say why:\n%s", p.Text())
	}
	if same := b.Submit(p, "password", "new_password", who.Password); same.Status != http.StatusUnprocessableEntity {
		t.Errorf("the same again: %d", same.Status)
	}
	b.Submit(p, "password", "new_password", newWords).Code(t)
	who.Password = newWords
	again := s.Browser(t)
	again.LogIn(again.Open(app.AuthURL()), who).Code(t)
	for _, kind := range again.Asked {
		if kind == servertest.KindPassword {
			t.Error("a new password is asked for again")
		}
	}
	reader, ok := s.Directory().Audit.(audit.Reader)
	if !ok {
		t.Fatal("the audit log cannot be read")
	}
	events, err := reader.Events(t.Context(), audit.Filter{Name: audit.AccountChanged})
	if err != nil || len(events) != 1 || events[0].Reason != "compromised" || events[0].Target.ID != who.ID {
		t.Errorf("events %+v, %v", events, err)
	}
}

// TestBreachedPasswordWaitsForTheSecondFactor: whoever knows a password that
// became known elsewhere may be anybody, so it is changed only when the second
// factor is shown too.
func TestBreachedPasswordWaitsForTheSecondFactor(t *testing.T) {
	t.Parallel()
	list := filepath.Join(t.TempDir(), "breached.txt")
	sum := sha1.Sum([]byte("correct horse ann"))
	w := newTown(t, "sqlite")
	who := w.withTOTP(t, w.NewPerson(t, "ann"))
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, fmt.Appendf(nil, "%X:3\n", sum), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Server = servertest.StartAt(t, w.clock.Now, w.Config, func(c *config.Config) { c.Password.BlocklistFile = list })
	app := w.Application(t, oidc.Client{Trusted: true})
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL()), who)
	wantKind(t, p, servertest.KindCode)
	p = b.Submit(p, "code", "code", who.Code(t))
	wantKind(t, p, servertest.KindPassword)
	tokens := app.Redeem(t, b.Submit(p, "password", "new_password", newWords).Code(t))
	if tokens.ACR() != "MFA" {
		t.Errorf("acr %q", tokens.ACR())
	}
}

// TestPasswordHistoryByAPI: the sub-resource names the rule, and holds users to
// it.
func TestPasswordHistoryByAPI(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		if r := w.Do(t, http.MethodGet, w.path("passwordQualityRequirements"), token, ""); !strings.Contains(r.Body, "None of the last 2 passwords.") {
			t.Errorf("requirements: %d %s", r.Status, r.Body)
		}
		change := func(from, to string) servertest.Reply {
			return w.Do(t, http.MethodPut, w.path("password"), token, fmt.Sprintf(
				`{"schemas":["urn:pingidentity:scim:api:messages:2.0:PasswordUpdateRequest"],"currentPassword":%q,"newPassword":%q}`, from, to))
		}
		if r := change(veilPassword, newWords); r.Status != http.StatusOK {
			t.Fatalf("change: %d %s", r.Status, r.Body)
		}
		r := change(newWords, veilPassword)
		if r.Status != http.StatusBadRequest || !strings.Contains(r.Body, `"type":"notEarlierPassword","requirementSatisfied":false`) {
			t.Errorf("back again: %d %s", r.Status, r.Body)
		}
	}, func(c *config.Config) { c.Password.History = 2 })
}

// TestRecoveryMessageRace: of many that type the right code at once, one goes on,
// and no more are looked at than a flow has tries (security.md 2.1).
func TestRecoveryMessageRace(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "ann", withMail("ann@example.org"))
		b := w.Browser(t)
		p := beganFlow(b, "/recover", "ann")
		token, _ := p.Value("code", "csrf")
		body := url.Values{"csrf": {token}, "code": {w.letter(t, "ann@example.org", 1).Code}}.Encode()
		cookies := ""
		for _, c := range b.Cookies() {
			cookies += c.Name + "=" + c.Value + "; "
		}
		client := &http.Client{Transport: w.HTTP().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		var refused atomic.Int64
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL.String()+"/code", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				req.Header.Set("Cookie", cookies)
				if r := servertest.Send(t, client, req); r.Status == http.StatusUnprocessableEntity {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		if n := len(w.events(t, audit.ChallengeVerified)); n != 1 {
			t.Errorf("%d went on, want 1 (%d were refused)", n, refused.Load())
		}
	})
}

// TestPasswordMeter: what the meter says is what the server does; it answers a
// browser of ours alone.
func TestPasswordMeter(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite", withBreached(t))
	b := w.Browser(t)
	if p := b.Post("/password-meter", url.Values{"password": {newWords}}); p.Status != http.StatusForbidden {
		t.Errorf("a stranger: %d", p.Status)
	}
	b.Open("/recover")
	for text, want := range map[string]bool{
		newWords: true, "short": false, "password1": false, breachedPassword: false, "annabel.veil": false,
		strings.Repeat("long words and more ", 12): true, strings.Repeat("x", 300): false,
	} {
		p := b.Post("/password-meter", url.Values{"password": {text}, "username": {"annabel.veil"}})
		var said struct {
			OK    bool   `json:"ok"`
			Score int    `json:"score"`
			Text  string `json:"text"`
		}
		if err := json.Unmarshal([]byte(p.Body), &said); err != nil || p.Status != http.StatusOK {
			t.Fatalf("%q: %d %s", text, p.Status, p.Body)
		}
		if said.OK != want || said.Text == "" || strings.Contains(p.Body, text) || p.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %+v, want %v", text, said, want)
		}
	}
}
