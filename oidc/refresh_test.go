package oidc_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/schema"
)

// tokens are those of a fresh code.
func (w *world) tokens(secret string, more ...string) answer {
	w.t.Helper()
	return w.wantTokens("code", w.nodes[0].redeem(secret, w.code(more...)))
}

func raceRefresh(t *testing.T, n int) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		first := w.tokens(secret)
		got := w.parallel(n, func(n *node) answer { return n.refresh(secret, first.text("refresh_token")) })
		if won := successes(got); len(won) > 1 {
			t.Fatalf("%d of %d refreshes succeeded, want at most 1", len(won), n)
		}
		for _, a := range got {
			if a.Status == http.StatusOK {
				w.wantRefused("the winner's next", w.nodes[0].refresh(secret, a.text("refresh_token")), 400, oidc.InvalidGrant)
			} else if a.text("error") != string(oidc.InvalidGrant) {
				t.Errorf("a loser got %d %v, want invalid_grant", a.Status, a.Body)
			}
		}
		if got := w.nodes[0].userinfo(first.text("access_token")); got != http.StatusUnauthorized {
			t.Errorf("userinfo = %d, want 401: the family is revoked", got)
		}
	})
}

func TestRefreshRace8(t *testing.T)   { raceRefresh(t, 8) }
func TestRefreshRace200(t *testing.T) { raceRefresh(t, 200) }

func TestRefreshReuseKillsDescendant(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		first := w.tokens(secret)
		second := w.wantTokens("rotation", w.nodes[0].refresh(secret, first.text("refresh_token")))
		third := w.wantTokens("rotation", w.nodes[1].refresh(secret, second.text("refresh_token")))
		w.wantRefused("the first again", w.nodes[0].refresh(secret, first.text("refresh_token")), 400, oidc.InvalidGrant)
		w.wantRefused("its descendant", w.nodes[0].refresh(secret, third.text("refresh_token")), 400, oidc.InvalidGrant)
		if n := len(w.events(audit.TokenReuseDetected)); n == 0 {
			t.Error("no event token.reuse_detected")
		}
	})
}

func TestRefreshGrace(t *testing.T) {
	each(t, func(c *oidc.Client) { c.RefreshGrace = 10 * time.Second }, func(t *testing.T, w *world, secret string) {
		first := w.tokens(secret)
		old := first.text("refresh_token")
		w.wantTokens("first use", w.nodes[0].refresh(secret, old))
		w.o.Clock.Advance(9 * time.Second)
		w.wantTokens("within the grace", w.nodes[1].refresh(secret, old))
		other := w.client(func(c *oidc.Client) { c.ID = "other"; c.RefreshGrace = 10 * time.Second })
		form := pairs("grant_type", "refresh_token", "refresh_token", old)
		w.wantRefused("another client", w.nodes[0].post(oidc.PathToken, "other", other, form), 400, oidc.InvalidGrant)
		if got := w.nodes[0].userinfo(first.text("access_token")); got != http.StatusOK {
			t.Errorf("userinfo = %d, want 200: the family lives", got)
		}
		w.o.Clock.Advance(time.Second)
		w.wantRefused("after the grace", w.nodes[0].refresh(secret, old), 400, oidc.InvalidGrant)
		if got := w.nodes[0].userinfo(first.text("access_token")); got != http.StatusUnauthorized {
			t.Errorf("userinfo = %d, want 401: the family is revoked", got)
		}
	})
}

func TestRefreshGraceRace(t *testing.T) {
	each(t, func(c *oidc.Client) { c.RefreshGrace = 10 * time.Second }, func(t *testing.T, w *world, secret string) {
		first := w.tokens(secret)
		got := w.parallel(4, func(n *node) answer { return n.refresh(secret, first.text("refresh_token")) })
		if n := len(successes(got)); n != 4 {
			t.Errorf("%d of 4 refreshes within the grace succeeded: %v", n, got)
		}
	})
}

// Rows 54 and 57.
func TestRefreshNarrows(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		first := w.tokens(secret, "scope", "openid email profile", "nonce", "n-1")
		was := claims(t, first.text("id_token"))
		w.o.Clock.Advance(time.Minute)
		w.wantRefused("wider", w.nodes[0].refresh(secret, first.text("refresh_token"), "scope", "openid phone"), 400, oidc.InvalidScope)
		narrow := w.wantTokens("narrower", w.nodes[0].refresh(secret, first.text("refresh_token"), "scope", "openid"))
		if narrow.text("scope") != "openid" {
			t.Errorf("scope = %q, want openid", narrow.text("scope"))
		}
		is := claims(t, narrow.text("id_token"))
		for _, name := range []string{"iss", "sub", "aud", "auth_time", "acr", "sid"} {
			if is[name] == nil || is[name] != was[name] {
				t.Errorf("refreshed ID token: %s = %v, want %v (Core section 12.2)", name, is[name], was[name])
			}
		}
		if is["nonce"] != nil || is["iat"] == was["iat"] {
			t.Errorf("refreshed ID token: nonce %v, iat %v: want none and a new one", is["nonce"], is["iat"])
		}
		back := w.wantTokens("all again", w.nodes[0].refresh(secret, narrow.text("refresh_token")))
		if back.text("scope") != "openid email profile" {
			t.Errorf("scope = %q, want that of the grant (RFC 6749 section 6)", back.text("scope"))
		}
	})
}

func TestRefreshNeverUpgrades(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		first := w.tokens(secret)
		now := w.o.Clock.Now()
		w.enrol(acr.TOTP)
		w.login(acr.Password, acr.TOTP)
		w.o.Clock.Advance(time.Minute)
		is := claims(t, w.wantTokens("refresh", w.nodes[0].refresh(secret, first.text("refresh_token"))).text("id_token"))
		if is["acr"] != "Default" || is["auth_time"] != float64(now.Unix()) {
			t.Errorf("refreshed ID token: acr %v, auth_time %v, want Default and %d", is["acr"], is["auth_time"], now.Unix())
		}
		if amr, _ := is["amr"].([]any); len(amr) != 1 || amr[0] != "pwd" {
			t.Errorf("amr = %v, want pwd alone", is["amr"])
		}
	})
}

func TestDropElevationOnRefresh(t *testing.T) {
	each(t, func(c *oidc.Client) { c.DropElevation = true }, func(t *testing.T, w *world, secret string) {
		w.enrol(acr.TOTP)
		w.login(acr.Password, acr.TOTP)
		first := w.tokens(secret)
		if got := claims(t, first.text("id_token"))["acr"]; got != "MFA" {
			t.Fatalf("acr = %v, want MFA", got)
		}
		is := claims(t, w.wantTokens("refresh", w.nodes[0].refresh(secret, first.text("refresh_token"))).text("access_token"))
		if amr, _ := is["amr"].([]any); is["acr"] != "Default" || len(amr) != 1 || amr[0] != "pwd" {
			t.Errorf("refreshed access token: acr %v, amr %v, want the first factor alone", is["acr"], is["amr"])
		}
	})
}

// Where no ACR is met by the first factor alone the refreshed token names none,
// instead of keeping what it was to drop.
func TestDropElevationWithoutName(t *testing.T) {
	each(t, func(c *oidc.Client) { c.DropElevation = true }, func(t *testing.T, w *world, secret string) {
		w.enrol(acr.TOTP)
		w.login(acr.Password, acr.TOTP)
		first := w.tokens(secret)
		answer := w.wantTokens("refresh", w.nodes[0].refresh(secret, first.text("refresh_token")))
		for _, name := range []string{"access_token", "id_token"} {
			is := claims(t, answer.text(name))
			if amr, _ := is["amr"].([]any); is["acr"] != nil || len(amr) != 1 || amr[0] != "pwd" {
				t.Errorf("refreshed %s: acr %v, amr %v, want no acr and the first factor alone", name, is["acr"], is["amr"])
			}
		}
	}, func(c *oidc.Config) { c.Policy.DefaultACRs = []string{"MFA"} })
}

// Pocket ID CVE-2026-43983.
func TestRefreshRechecksUser(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		user := w.o.Type(t, "User")
		first := w.tokens(secret)
		w.edit(func(c *oidc.Client) { c.Disabled = true })
		w.wantRefused("locked client", w.nodes[0].refresh(secret, first.text("refresh_token")), 401, oidc.InvalidClient)
		w.edit(func(c *oidc.Client) { c.Disabled = false })
		rec, err := w.db.Get(t.Context(), user, w.user.ID, "")
		if err != nil {
			t.Fatal(err)
		}
		rec.Object = schema.Object{"id": rec.ID, "userName": "ann", "active": true}
		next := w.o.Next(t, rec, func(o schema.Object) { o["active"] = false })
		if err := w.db.Update(t.Context(), user, next); err != nil {
			t.Fatalf("Update: %v", err)
		}
		w.wantRefused("disabled user", w.nodes[1].refresh(secret, first.text("refresh_token")), 400, oidc.InvalidGrant)
		if got := w.nodes[0].userinfo(first.text("access_token")); got != http.StatusUnauthorized {
			t.Errorf("userinfo = %d, want 401", got)
		}
	})
}

// Row 92: a session takes its tokens along, but for those of offline_access.
func TestOfflineOutlivesSession(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		bound, offline := w.tokens(secret), w.tokens(secret, "scope", "openid offline_access")
		if !slices.Contains([]string{"openid offline_access"}, offline.text("scope")) {
			t.Fatalf("scope = %q, want offline_access in it", offline.text("scope"))
		}
		s := w.nodes[0].desk.session
		if ended, err := w.db.EndSession(t.Context(), w.user.ID, s.ID, w.o.Clock.Now()); err != nil || !ended {
			t.Fatalf("EndSession = %v, %v", ended, err)
		}
		w.wantRefused("bound to the session", w.nodes[0].refresh(secret, bound.text("refresh_token")), 400, oidc.InvalidGrant)
		w.wantTokens("offline", w.nodes[0].refresh(secret, offline.text("refresh_token")))
	})
}

func TestRefreshExpires(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		token := w.tokens(secret, "scope", "openid offline_access").text("refresh_token")
		for range 4 {
			w.o.Clock.Advance(20 * 24 * time.Hour)
			token = w.wantTokens("in time", w.nodes[0].refresh(secret, token)).text("refresh_token")
		}
		w.o.Clock.Advance(10 * 24 * time.Hour)
		w.wantRefused("90 days in all", w.nodes[0].refresh(secret, token), 400, oidc.InvalidGrant)
		w.login(acr.Password)
		token = w.tokens(secret, "scope", "openid offline_access").text("refresh_token")
		w.o.Clock.Advance(30 * 24 * time.Hour)
		w.wantRefused("30 days idle", w.nodes[0].refresh(secret, token), 400, oidc.InvalidGrant)
	})
}
