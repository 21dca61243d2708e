package servertest_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/descope/virtualwebauthn"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// posted is one form as a browser would send it.
type posted struct {
	cookies []*http.Cookie
	path    string
	form    url.Values
}

// formOf is the form of a page with an answer in it.
func formOf(t *testing.T, b *servertest.Browser, p servertest.Page, action, field, answer string) posted {
	t.Helper()
	csrf, ok := p.Value(action, "csrf")
	if !ok {
		t.Fatalf("no form %s:\n%s", action, p.Text())
	}
	txn, _, _ := strings.Cut(strings.TrimPrefix(p.URL.Path, "/login/"), "/")
	return posted{b.Cookies(), "/login/" + txn + "/" + action, url.Values{"csrf": {csrf}, field: {answer}}}
}

// volley sends n forms at once, in turns.
func (w town) volley(t *testing.T, n int, forms []posted) {
	t.Helper()
	client := &http.Client{
		Transport:     w.HTTP().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	gate := make(chan struct{})
	var wait sync.WaitGroup
	for i := range n {
		f := forms[i%len(forms)]
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodPost, w.URL()+f.path, strings.NewReader(f.form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range f.cookies {
			req.AddCookie(c)
		}
		wait.Go(func() {
			<-gate
			reply, err := client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = reply.Body.Close() }()
			if reply.StatusCode >= http.StatusInternalServerError && reply.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("status %d", reply.StatusCode)
			}
		})
	}
	close(gate)
	wait.Wait()
}

// wantEvents wants a number of audit rows since there were before.
func (w town) wantEvents(t *testing.T, name audit.Name, before, least, most int) {
	t.Helper()
	if n := len(w.events(t, name)) - before; n < least || n > most {
		t.Errorf("%d events %s, want %d to %d", n, name, least, most)
	}
}

// TestProofRace200: of two hundred right answers at once, to one challenge or
// with one code, one is a proof, and no more are judged than there are tries.
func TestProofRace200(t *testing.T) {
	t.Parallel()
	const many, browsers, tries = 200, 10, 5
	eachTown(t, func(t *testing.T, w town) {
		s := &somebody{t: t, w: w}
		s.Person = w.NewPerson(t, "ann")
		s.addPasskey()
		s.app = w.withTOTP(t, s.Person)
		s.codes = w.withCodes(t, s.Person)
		app := w.Application(t, oidc.Client{Trusted: true})

		b := w.Browser(t)
		p := b.Open(app.AuthURL())
		before := len(w.events(t, audit.LoginSucceeded))
		w.volley(t, many, []posted{formOf(t, b, p, "passkey", "answer", s.assertion(b, p))})
		w.wantEvents(t, audit.LoginSucceeded, before, 1, 1)

		// pages of as many browsers that wait for one and the same code
		waiting := func(factor, code string) []posted {
			out := make([]posted, browsers)
			for i := range out {
				b := w.Browser(t)
				p := s.pick(b, password(b, b.Open(app.AuthURL("acr_values", "MFA")), s.Person), factor)
				out[i] = formOf(t, b, p, "code", "code", code)
			}
			return out
		}
		steps, failed := len(w.events(t, audit.LoginStepUp)), len(w.events(t, audit.ChallengeFailed))
		w.volley(t, many, waiting("totp", s.app.Code(t)))
		w.wantEvents(t, audit.LoginStepUp, steps, 1, 1)
		w.wantEvents(t, audit.ChallengeFailed, failed, 0, 2*tries) // a right one gives them back

		steps, used := len(w.events(t, audit.LoginStepUp)), len(w.events(t, audit.RecoveryCodeUsed))
		w.volley(t, many, waiting("recovery_code", s.codes[0]))
		w.wantEvents(t, audit.LoginStepUp, steps, 1, 1)
		w.wantEvents(t, audit.RecoveryCodeUsed, used, 1, 1)
	}, withPasskeys)
}

// assertion is the answer of the passkey to a page, not yet sent.
func (s *somebody) assertion(b *servertest.Browser, p servertest.Page) string {
	s.t.Helper()
	token, _ := p.Value("passkey", "csrf")
	reply := b.Post(p.URL.Path+"/passkey/options", url.Values{"csrf": {token}})
	options, err := virtualwebauthn.ParseAssertionOptions(reply.Body)
	if err != nil {
		s.t.Fatalf("options of a login: %v: %d %s", err, reply.Status, reply.Body)
	}
	return virtualwebauthn.CreateAssertionResponse(s.rp, s.key, s.key.Credentials[0], *options)
}

// pick chooses a factor where there is a choice.
func (s *somebody) pick(b *servertest.Browser, p servertest.Page, factor string) servertest.Page {
	s.t.Helper()
	for value := range p.Buttons("factor", "factor") {
		if factorName.FindString(value) == factor {
			return b.Submit(p, "factor", "factor", value)
		}
	}
	return p
}
