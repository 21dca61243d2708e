package servertest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestPagesFederation logs in at a provider in a real browser, which holds every
// redirect against the policies of the pages: by the query, and by a form that
// the provider posts. A provider on a third host stands between, as many do.
func TestPagesFederation(t *testing.T) {
	t.Parallel()
	for _, posts := range []bool{false, true} {
		t.Run(map[bool]string{false: "query", true: "form_post"}[posts], func(t *testing.T) {
			t.Parallel()
			idp := fakeidp.New(time.Now)
			t.Cleanup(idp.Close)
			between := newGateway(t, idp.URL, posts)
			idp.Set(func(s *fakeidp.Settings) {
				s.Claims = verified("zoe")
				s.Metadata = map[string]any{"authorization_endpoint": between.URL + "/start"}
			})
			w := newPagesWorld(t, func(c *config.Config) {
				p := corp(idp.URL)
				byAddress(&p)
				p.FormPost = posts
				c.IdentityProviders = []config.IdentityProvider{p}
			})
			w.patch(`"op":"add","path":"emails","value":[{"value":"zoe@corp.example"}]`, w.user)
			b := newBrowser(t)
			b.open(w.authorizeURL("scope", "openid profile"))
			b.wait(`button[name="upstream"]`)
			b.judge("login-upstreams")
			idp.Set(func(s *fakeidp.Settings) { s.Deny = "access_denied" })
			b.press(`button[name="upstream"]`, "#fault")
			b.judge("login-upstream-denied")
			idp.Set(func(s *fakeidp.Settings) { s.Deny = "" })
			b.press(`button[name="upstream"]`, "#consent")
			b.press(`button[value="allow"]`, "#arrived")
			if answer := w.client.answers(); len(answer) != 1 || answer[0].Get("code") == "" {
				t.Errorf("answer: %v", answer)
			}
			b.noComplaints()
		})
	}
}

// newGateway is a third host before a provider: it leads there, and posts its
// answers if it is told to.
func newGateway(t *testing.T, idp string, posts bool) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/start" {
			http.NotFound(w, r)
			return
		}
		to := idp + "/authorize?" + r.URL.RawQuery
		if !posts {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, to, http.NoBody)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
		back, err := url.Parse(res.Header.Get("Location"))
		if err != nil {
			t.Error(err)
			return
		}
		var fields strings.Builder
		for name := range back.Query() {
			fields.WriteString(`<input type="hidden" name="` + name + `" value="` + back.Query().Get(name) + `">`)
		}
		back.RawQuery = ""
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,"><form method="post" action="` +
			back.String() + `">` + fields.String() + `</form><script>document.forms[0].submit()</script>`))
	}))
	t.Cleanup(s.Close)
	return s
}
