package oidc

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/outgoing"
)

// receiver is a client that takes logout tokens.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	bodies []string
	tokens []string
}

func newReceiver(t *testing.T, status int) *receiver {
	t.Helper()
	r := &receiver{status: status}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = q.ParseForm()
		r.tokens = append(r.tokens, q.PostForm.Get("logout_token"))
		r.bodies = append(r.bodies, fmt.Sprintf("%s %s %d", q.Method, q.Header.Get("Content-Type"), len(q.PostForm)))
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func noticed(t *testing.T, uri string, private bool) *bench {
	t.Helper()
	b := newBench(t, func(c *Config) { c.AllowPrivate = private })
	b.client(func(c *Client) { c.BackchannelLogoutURI = uri })
	b.rows.notices = []LogoutNotice{{ID: "n1", ClientID: "app", SID: "sid1", UserID: "0190-user"}}
	return b
}

func deliver(t *testing.T, b *bench) int {
	t.Helper()
	n, err := b.DeliverLogouts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Row 90: the logout token, and how it is sent.
func TestRow90_LogoutToken(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusOK, http.StatusNoContent} {
		r := newReceiver(t, status)
		b := noticed(t, r.URL, true)
		if got := deliver(t, b); got != 1 || !slices.Equal(b.rows.removed, []string{"n1"}) {
			t.Fatalf("delivered %d, removed %v", got, b.rows.removed)
		}
		if got := r.bodies[0]; got != "POST application/x-www-form-urlencoded 1" {
			t.Errorf("request = %s, want a form post with logout_token alone", got)
		}
		claims := b.claimsOf(t, r.tokens[0], "logout+jwt")
		jti, _ := claims["jti"].(string)
		if len(jti) < 22 {
			t.Errorf("jti = %q", jti)
		}
		delete(claims, "jti")
		now := float64(b.clock().Unix())
		want := map[string]any{
			"iss": testIssuer, "aud": "app", "sub": "0190-user", "sid": "sid1", "iat": now, "exp": now + 120,
			"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
		}
		if diff := cmp.Diff(want, claims); diff != "" {
			t.Errorf("logout token (-want +got):\n%s", diff)
		}
		if got := deliver(t, b); got != 0 || len(r.tokens) != 1 {
			t.Errorf("a notice that was taken went out again: %d", len(r.tokens))
		}
	}
}

// Five tries over fifteen minutes, each with a fresh token, redirects not
// followed; then the notice is given up.
func TestLogoutIsTriedFiveTimes(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusFound, http.StatusTemporaryRedirect} {
		r := newReceiver(t, status)
		b := noticed(t, r.URL, true)
		start := b.clock()
		for range 2000 { // every second, for more than half an hour
			deliver(t, b)
			if len(b.rows.removed) > 0 {
				break
			}
			b.add(time.Second)
		}
		if len(r.tokens) != 5 || b.clock().Sub(start) != 15*time.Minute {
			t.Errorf("status %d: %d tries in %s, want 5 in 15m0s", status, len(r.tokens), b.clock().Sub(start))
		}
		if slices.Contains(b.rows.removed, "n1") != true {
			t.Errorf("status %d: the notice was kept", status)
		}
		slices.Sort(r.tokens)
		if len(slices.Compact(r.tokens)) != 5 {
			t.Errorf("status %d: tokens repeat", status)
		}
	}
}

// A client that is gone, or takes no notices, is not told.
func TestLogoutOfClientThatTakesNone(t *testing.T) {
	t.Parallel()
	b := noticed(t, "", true)
	if got := deliver(t, b); got != 0 || len(b.rows.removed) != 1 {
		t.Errorf("delivered %d, removed %v", got, b.rows.removed)
	}
	b = noticed(t, "", true)
	delete(b.rows.clients, "app")
	if got := deliver(t, b); got != 0 || len(b.rows.removed) != 1 {
		t.Errorf("client gone: delivered %d, removed %v", got, b.rows.removed)
	}
}

// Neither loopback addresses nor names of them, nor http, unless allowed.
func TestLogoutReachesNoPrivateAddress(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, http.StatusOK)
	secure := httptest.NewTLSServer(r.Config.Handler)
	t.Cleanup(secure.Close)
	port := secure.URL[strings.LastIndex(secure.URL, ":"):]
	for _, uri := range []string{r.URL, secure.URL, "https://localhost" + port, "https://[::1]" + port, "https://[::ffff:127.0.0.1]" + port} {
		b := noticed(t, uri, false)
		if got := deliver(t, b); got != 0 || len(r.tokens) != 0 {
			t.Errorf("%s was reached", uri)
		}
		if len(b.rows.removed) != 0 {
			t.Errorf("%s: the notice was removed at the first try", uri)
		}
	}
	sender := noticed(t, "", false).logoutSender()
	for _, host := range []string{"localhost", "127.0.0.1"} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host+port, nil)
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := sender.Do(request); !errors.Is(err, outgoing.ErrPrivate) {
			if err == nil {
				_ = answer.Body.Close()
			}
			t.Errorf("dial %s: %v, want ErrPrivate", host, err)
		}
	}
}
