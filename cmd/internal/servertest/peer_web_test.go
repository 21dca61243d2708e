package servertest_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestPeer_13: Zitadel CVE-2026-105209. A code leaves by its channel only: not
// by a page, the log or the audit trail (through the API: TestCodeNowhere).
func TestPeer_13(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.WithEmail(t, w.NewPerson(t, "ann"), "ann@example.org")
		w.clock.advance(time.Hour)
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		sent := b.Submit(p, "factor", "factor", "email_otp")
		code := who.Code(t)
		done := b.Submit(sent, "code", "code", code)
		text := w.Log.String() + p.Body + sent.Body + fmt.Sprint(sent.Header, done.Header, done.Away)
		for _, e := range w.events(t, "") {
			text += fmt.Sprintf("%+v %s", e, e.Detail)
		}
		for name, secret := range map[string]string{"code": code, "password": who.Password} {
			if strings.Contains(text, secret) {
				t.Errorf("the %s %q stands in a page, the log or the audit trail", name, secret)
			}
		}
	})
}

// TestPeer_16: Zitadel CVE-2024-28197. Cookies are of this host alone: those
// without the prefix, which a sub-domain could set, are not read.
func TestPeer_16(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann")
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL()), who)
		p.Code(t)
		set := p.Header.Values("Set-Cookie")
		for _, line := range set {
			if !strings.HasPrefix(line, "__Host-") || !strings.Contains(line, "; Secure") || !strings.Contains(line, "; HttpOnly") ||
				!strings.Contains(line, "; Path=/;") || !strings.Contains(line, "SameSite=Lax") || strings.Contains(line, "Domain") {
				t.Errorf("cookie %s", line)
			}
		}
		var with, without string
		for _, c := range b.Cookies() {
			with += c.Name + "=" + c.Value + "; "
			without += strings.TrimPrefix(c.Name, "__Host-") + "=" + c.Value + "; "
		}
		if r := w.get(t, app.AuthURL("prompt", "none"), "Cookie", with); !strings.Contains(r.Header.Get("Location"), "code=") {
			t.Errorf("with prefix: %d %s", r.Status, r.Header.Get("Location"))
		}
		if r := w.get(t, app.AuthURL("prompt", "none"), "Cookie", without); !strings.Contains(r.Header.Get("Location"), "login_required") {
			t.Errorf("without prefix: %d %s", r.Status, r.Header.Get("Location"))
		}
	}, servertest.WithIssuer(t, opIssuer))
}

// TestPeer_17: Zitadel CVE-2025-64101, GHSA-2wmj-46rj-qm2w, GO-2025-3721. Links
// come from the configured issuer, and pages are for its host alone.
func TestPeer_17(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		forged := []string{
			"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "X-Original-Host", "evil.example",
			"Forwarded", "host=evil.example;proto=https", "X-Host", "evil.example", "X-Forwarded-Server", "evil.example",
		}
		for _, path := range []string{"/.well-known/openid-configuration", "/device", "/oauth/logout", app.AuthURL(), "/scim/v2/ServiceProviderConfig"} {
			r := w.get(t, path, forged...)
			if strings.Contains(fmt.Sprint(r.Header, r.Body), "evil.example") || r.Status >= 400 && !strings.Contains(path, "scim") {
				t.Errorf("%s: %d %v", path, r.Status, r.Header)
			}
		}
		for _, path := range []string{"/device", "/oauth/logout", app.AuthURL(), "/login/x"} {
			if r := w.get(t, path, "Host", "evil.example"); r.Status != http.StatusMisdirectedRequest || r.Header.Get("Location") != "" {
				t.Errorf("%s at another host: %d", path, r.Status)
			}
		}
	})
}

// TestPeer_23: Pocket ID CVE-2026-28512. A redirect URI matches exactly, or
// there is a page.
func TestPeer_23(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		b := w.Browser(t)
		for _, uri := range []string{
			"https://app.example.com@evil.example/cb", "https://evil.example/https://app.example.com/cb", `https://app.example.com\@evil.example/cb`,
			"https://app.example.com/cb/", "https://app.example.com/cb?x=1", "https://app.example.com/cb#x", "https://app.example.com/CB",
			"https://APP.example.com/cb", "https://app.example.com:443/cb", "https://app.example.com/a/../cb", "https://app.example.com/%63b",
			"https://app.example.com.evil.example/cb", "//app.example.com/cb", "javascript:alert(1)", "data:text/html,x", "http://app.example.com/cb",
			"https://app.example.com/cb ", " https://app.example.com/cb", "https://user@app.example.com/cb", "https://app.example.com/cb\r\nX: y",
		} {
			for _, more := range []string{"login", "none"} {
				if p := b.Open(app.AuthURL("redirect_uri", uri, "prompt", more)); p.Status != http.StatusBadRequest || p.Away != nil || p.Header.Get("Location") != "" {
					t.Errorf("%q: %d to %v", uri, p.Status, p.Away)
				}
			}
		}
	})
}

// TestPeer_28: authentik CVE-2024-47070. A forwarded address that cannot be read
// changes nothing, from a stranger or through a proxy.
func TestPeer_28(t *testing.T) {
	t.Parallel()
	for name, proxies := range map[string][]string{"strangers": nil, "proxy": {"127.0.0.1/32"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTown(t, func(t *testing.T, w town) {
				app := w.Application(t, oidc.Client{})
				for _, text := range []string{"", ",,", "garbage", strings.Repeat("1", 10<<10), "192.0.2.1.1", "::ffff:192.0.2.999", "unknown", "192.0.2.1:80:80"} {
					r := w.get(t, app.AuthURL("acr_values", "Office", "prompt", "none"), "X-Forwarded-For", text)
					if !strings.Contains(r.Header.Get("Location"), "error=interaction_required") {
						t.Errorf("%.20q: %d %s", text, r.Status, r.Header.Get("Location"))
					}
				}
			}, withOffice, func(c *config.Config) { c.TrustedProxies = proxies })
		})
	}
}

// TestPeer_29: authentik CVE-2026-49448. An empty form advances nothing.
func TestPeer_29(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := b.Open(app.AuthURL("acr_values", "MFA"))
		empty := func(kind, action string, status int) {
			t.Helper()
			csrf, _ := p.Value(action, "csrf")
			wantRefused(t, "nothing at "+kind, b.Post(p.URL.Path+"/"+action, url.Values{}), http.StatusForbidden)
			wantRefused(t, "only a token at "+kind, b.Post(p.URL.Path+"/"+action, url.Values{"csrf": {csrf}}), status)
			p = b.Open(p.URL.Path)
			wantKind(t, p, kind)
		}
		base := p.URL.Path
		reopen := func() { p = b.Open(base) }
		empty(servertest.KindLogin, "login", http.StatusUnprocessableEntity)
		password(b, p, who)
		reopen()
		empty(servertest.KindCode, "code", http.StatusUnprocessableEntity)
		b.Submit(p, "code", "code", who.Code(t))
		reopen()
		empty(servertest.KindConsent, "consent", http.StatusOK)
	})
}

// TestPeer_39: CVE-2025-69615. What a caller writes into headers and cookies
// picks no other counter. That of codes of devices has the network of an IPv6
// address, and no ceiling that would outlast the guessing.
func TestPeer_39(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		w.NewPerson(t, "ann")
		waits := 0
		for n := range 8 {
			b := w.Browser(t)
			b.Language = fmt.Sprintf("x-%d", n)
			p := b.Open(app.AuthURL())
			csrf, _ := p.Value("login", "csrf")
			cookie := ""
			for _, c := range b.Cookies() {
				cookie += c.Name + "=" + c.Value + "; "
			}
			form := url.Values{"csrf": {csrf}, "username": {"ann"}, "password": {"wrong"}}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL.String()+"/login", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{
				"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookie + fmt.Sprintf("sp_known=%d", n), "User-Agent": fmt.Sprint("u", n),
				"X-Forwarded-For": fmt.Sprintf("198.51.100.%d", n), "X-Real-IP": fmt.Sprintf("198.51.100.%d", n), "Forwarded": fmt.Sprintf("for=198.51.100.%d", n),
			} {
				req.Header.Set(name, value)
			}
			if servertest.Send(t, w.HTTP(), req).Header.Get("Retry-After") != "" {
				waits++
			}
		}
		if waits != 3 {
			t.Errorf("%d of 8 tries came too early, want 3", waits)
		}
	})
	t.Run("devices", func(t *testing.T) {
		t.Parallel()
		w := newTown(t, "sqlite", func(c *config.Config) { c.TrustedProxies = []string{"127.0.0.1/32"} })
		b := w.Browser(t)
		p := b.Open("/device")
		csrf, _ := p.Value("device", "csrf")
		var cookie string
		for _, c := range b.Cookies() {
			cookie += c.Name + "=" + c.Value + "; "
		}
		try := func(address string) int {
			t.Helper()
			form := url.Values{"csrf": {csrf}, "user_code": {"BBBB-BBBB"}}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.Issuer()+"/device", strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Cookie", cookie)
			req.Header.Set("X-Forwarded-For", address)
			return servertest.Send(t, w.HTTP(), req).Status
		}
		var got []int
		for n := range 8 {
			got = append(got, try(fmt.Sprintf("2001:db8::%x", n+1)))
		}
		if got[4] != 422 || got[5] != 429 || got[7] != 429 {
			t.Errorf("codes from one /64: %v, want a pause after five", got)
		}
		for range 110 {
			w.clock.advance(31 * time.Second)
			try("192.0.2.7")
		}
		w.clock.advance(time.Minute)
		if status := try("192.0.2.7"); status != http.StatusUnprocessableEntity {
			t.Errorf("after 110 slow tries: %d, want the code to be judged", status)
		}
	})
}

// TestPeer_41: npm otpauth. A code has exactly its digits, in ASCII; a page
// strips blanks around it and nothing else.
func TestPeer_41(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
		base := p.URL.Path
		wide := func(s string) string {
			return strings.Map(func(r rune) rune { return r - '0' + '\uff10' }, s)
		}
		for _, spoil := range []func(string) string{
			func(string) string { return " " }, func(s string) string { return s[:1] }, func(s string) string { return s[:5] },
			func(s string) string { return s + "0" }, func(s string) string { return "0" + s }, wide,
			func(s string) string { return s[:3] + " " + s[3:] }, func(s string) string { return s[:3] + "\x00" + s[3:] },
			func(s string) string { return "+" + s }, func(s string) string { return s + "\u200b" },
		} {
			wantRefused(t, "spoilt code", b.Submit(p, "code", "code", spoil(who.Code(t))), http.StatusUnprocessableEntity, http.StatusTooManyRequests)
			w.clock.advance(30 * time.Second)
			p = b.Open(base)
			wantKind(t, p, servertest.KindCode)
		}
	})
}

// TestPeer_46: two tabs (mesutpiskin issue 36). A password in one tab opens
// nothing in another, nor in silence.
func TestPeer_46(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.withTOTP(t, w.NewPerson(t, "ann"))
		b := w.Browser(t)
		other := b.Open(app.AuthURL())
		wantKind(t, password(b, b.Open(app.AuthURL()), who), servertest.KindCode)
		wantKind(t, b.Open(other.URL.Path), servertest.KindCode)
		wantKind(t, b.Open(app.AuthURL("acr_values", "Default")), servertest.KindCode)
		wantSilent(t, b, app, "interaction_required")
		// Row 45: the step of this browser is nothing in another (Apereo CAS).
		wantRefused(t, "another browser", w.Browser(t).Open(other.URL.Path), http.StatusBadRequest)
	})
}

// loose are the parts of a page that chance makes.
var loose = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|value="[\w-]{43}"|[0-9a-f]{32}`)

// TestLoginTakesOneTime: a login by nobody's name takes as long as a failed one
// by somebody's, and says the same (medians within 10 %). It runs alone. What
// else the machine does can push the medians apart, but not again and again in
// the same test; work that is left out for unknown names does.
func TestLoginTakesOneTime(t *testing.T) { //nolint:paralleltest // it measures time
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{})
	var known, other time.Duration
	for round := range 5 {
		known, other = loginTimes(t, w, app, round)
		if max(known, other) <= min(known, other)*11/10 {
			return
		}
	}
	t.Errorf("known %v, unknown %v: differ by more than 10 %% in every round", known, other)
}

// loginTimes returns the medians of failed logins of people who exist and of
// those who do not, taken in turns.
func loginTimes(t *testing.T, w town, app *servertest.Application, round int) (known, other time.Duration) {
	t.Helper()
	const people = 30
	took := map[string][]time.Duration{}
	answers := map[string]bool{}
	for n := range people {
		w.NewPerson(t, fmt.Sprintf("known%d-%03d", round, n))
		for _, kind := range []string{"known", "other"} {
			b := w.Browser(t)
			p := b.Open(app.AuthURL("state", "s", "nonce", "n"))
			name := fmt.Sprintf("%s%d-%03d", kind, round, n)
			began := time.Now()
			p = b.Submit(p, "login", "username", name, "password", "wrong password")
			took[kind] = append(took[kind], time.Since(began))
			answers[fmt.Sprint(p.Status, len(p.Header), len(p.Header.Values("Set-Cookie")), loose.ReplaceAllString(strings.ReplaceAll(p.Body, name, ""), ""))] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("%d different answers", len(answers))
	}
	median := func(kind string) time.Duration {
		slices.SortFunc(took[kind], cmp.Compare)
		return took[kind][people/2]
	}
	return median("known"), median("other")
}
