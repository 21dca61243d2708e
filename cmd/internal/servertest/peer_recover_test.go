package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestPeer_2: Keycloak CVE-2026-18963. The steps of a recovery are kept on the
// server: none is reached but from the one before, and none by another browser.
func TestPeer_2(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		b := w.Browser(t)
		p := beganFlow(b, "/recover", "ann")
		token, ok := p.Value("code", "csrf")
		if !ok {
			t.Fatalf("no form for the code:\n%s", p.Text())
		}
		form := url.Values{"csrf": {token}, "new_password": {newWords}}
		skipped := b.Post(p.URL.Path+"/password", form)
		if strings.Contains(skipped.Text(), "was set") || w.logsIn(t, app, servertest.Person{UserName: "ann", Password: newWords}) {
			t.Fatal("a password was set without the mail")
		}
		if !w.logsIn(t, app, who) {
			t.Error("the present password is gone")
		}
		code := w.letter(t, "ann@example.org", 1).Code
		other := w.Browser(t)
		other.Open("/recover") // has a browser cookie of its own
		wantRefused(t, "another browser", other.Open(p.URL.Path), http.StatusGone)
		wantRefused(t, "code from another browser", other.Post(p.URL.Path+"/code", url.Values{"csrf": {token}, "code": {code}}), http.StatusGone)

		done := b.Submit(b.Submit(p, "code", "code", code), "password", "new_password", newWords)
		token, _ = done.Value("password", "csrf")
		again := b.Post(p.URL.Path+"/password", url.Values{"csrf": {token}, "new_password": {newWords + " once more"}})
		if w.logsIn(t, app, servertest.Person{UserName: "ann", Password: newWords + " once more"}) {
			t.Errorf("a second password by one code: %d %s", again.Status, again.Text())
		}
	})
}

// TestPeer_14: Zitadel CVE-2026-119128. Tokens of links are random and kept as
// hashes: nothing public makes one, and one flipped bit is another token.
func TestPeer_14(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", withMail("ann@example.org"))
		p := beganFlow(w.Browser(t), "/recover", "ann")
		link := w.letter(t, "ann@example.org", 1).link(t)
		prefix, token := link[:strings.LastIndexByte(link, '/')+1], link[strings.LastIndexByte(link, '/')+1:]
		flow := p.URL.Path[strings.LastIndexByte(p.URL.Path, '/')+1:]
		forged := []string{who.ID, flow, "ann", "ann@example.org", token[:len(token)-1], token + "A", token[1:], ""}
		for i := range token {
			forged = append(forged, token[:i]+flipped(token[i])+token[i+1:])
		}
		for _, text := range forged {
			b := w.Browser(t)
			if got := b.Open(prefix + url.PathEscape(text)); got.Status == http.StatusOK {
				t.Fatalf("token %q of %q opens: %s", text, token, got.Text())
			}
		}
		b := w.Browser(t)
		if good := b.Open(link); good.Status != http.StatusOK {
			t.Errorf("the true token: %d", good.Status)
		}
	})
}

// flipped is another character of base64url.
func flipped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// TestPeer_17_Recovery: Zitadel CVE-2025-64101, GHSA-2wmj-46rj-qm2w,
// GO-2025-3721. The link of a recovery is built from the issuer alone.
func TestPeer_17_Recovery(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		w.NewPerson(t, "ann", withMail("ann@example.org"))
		b := w.Browser(t)
		p := b.Open("/recover")
		token, _ := p.Value("recover", "csrf")
		cookies := ""
		for _, c := range b.Cookies() {
			cookies += c.Name + "=" + c.Value + "; "
		}
		send := func(pairs ...string) servertest.Reply {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL()+"/recover",
				strings.NewReader(url.Values{"csrf": {token}, "login": {"ann"}, "channel": {"email"}}.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Cookie", cookies)
			for i := 0; i+1 < len(pairs); i += 2 {
				if pairs[i] == "Host" {
					req.Host = pairs[i+1]
				}
				req.Header.Set(pairs[i], pairs[i+1])
			}
			client := &http.Client{Transport: w.HTTP().Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			return servertest.Send(t, client, req)
		}
		if r := send("Host", "evil.example"); r.Status != http.StatusMisdirectedRequest {
			t.Errorf("another host: %d", r.Status)
		}
		r := send("X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "Forwarded", "host=evil.example;proto=https",
			"X-Original-Host", "evil.example", "X-Host", "evil.example", "X-Forwarded-Server", "evil.example")
		if r.Status != http.StatusSeeOther || strings.Contains(r.Header.Get("Location"), "evil") {
			t.Fatalf("%d %s", r.Status, r.Header.Get("Location"))
		}
		l := w.letter(t, "ann@example.org", 1)
		if !strings.HasPrefix(l.link(t), w.Issuer()+"/continue/link/") || strings.Contains(l.Text, "evil") {
			t.Errorf("message %q", l.Text)
		}
	})
}

// TestPeer_31_Recovery: authentik CVE-2025-53942, MISP CVE-2026-95754. A user
// who is switched off is refused at every step of a recovery.
func TestPeer_31_Recovery(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		off := func(who servertest.Person) {
			w.PatchPerson(t, who, `{"op":"replace","path":"active","value":false}`)
		}
		ann := w.NewPerson(t, "ann", withMail("ann@example.org"))
		b := w.Browser(t)
		p := beganFlow(b, "/recover", "ann")
		l := w.letter(t, "ann@example.org", 1)
		off(ann)
		wantRefused(t, "code", b.Submit(p, "code", "code", l.Code), http.StatusUnprocessableEntity)
		other := w.Browser(t)
		wantRefused(t, "link", other.Submit(other.Open(l.link(t)), "link"), http.StatusGone)

		bob := w.NewPerson(t, "bob", withMail("bob@example.org"))
		p = b.Submit(beganFlow(b, "/recover", "bob"), "code", "code", w.letter(t, "bob@example.org", 1).Code)
		off(bob)
		wantRefused(t, "password", b.Submit(p, "password", "new_password", newWords), http.StatusUnprocessableEntity)
		// Nor does it come to life again with the user.
		w.PatchPerson(t, bob, `{"op":"replace","path":"active","value":true}`)
		wantRefused(t, "password", b.Submit(p, "password", "new_password", newWords), http.StatusUnprocessableEntity)
		if n := len(w.events(t, audit.PasswordResetCompleted)); n != 0 {
			t.Errorf("%d recoveries", n)
		}
	})
}

// TestPeer_37: CVE-2026-73431. A link works once, also when its text is encoded
// in another way; opening it, as mail scanners do, does not use it up.
func TestPeer_37(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann")
		in, err := w.Directory().Invite(t.Context(), account.Invitation{UserID: who.ID, Print: true, By: byCommand()})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			scanner := w.Browser(t)
			if p := scanner.Open(in.Link); p.Status != http.StatusOK {
				t.Fatalf("scanner: %d %s", p.Status, p.Text())
			}
		}
		b := w.Browser(t)
		late := w.Browser(t)
		standing := late.Open(in.Link)
		p := b.Submit(b.Open(in.Link), "link")
		if _, ok := p.Value("password", "new_password"); !ok {
			t.Fatalf("after the link: %d %s", p.Status, p.Text())
		}
		wantRefused(t, "second use", late.Submit(standing, "link"), http.StatusGone)
		token := in.Link[strings.LastIndexByte(in.Link, '/')+1:]
		prefix := strings.TrimSuffix(in.Link, token)
		for _, text := range []string{
			token, token + "=", token + "%3D", "%" + strings.ToUpper(hexOf(token[0])) + token[1:], token + "/", token + "?x=y", token + "%20", token[:len(token)-1] + string(token[len(token)-1]+1),
		} {
			again := w.Browser(t)
			wantRefused(t, "link "+text, again.Open(prefix+text), http.StatusGone, http.StatusNotFound)
		}
		b.Submit(p, "password", "new_password", newWords)
		wantRefused(t, "after all", w.Browser(t).Open(in.Link), http.StatusGone)
	})
}

func hexOf(c byte) string {
	const digits = "0123456789abcdef"
	return string([]byte{digits[c>>4], digits[c&15]})
}
