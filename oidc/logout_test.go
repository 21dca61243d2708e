package oidc

import (
	"errors"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
)

// loggedIn is a browser with the session of the grant, and its ID token.
func loggedIn(t *testing.T) (*bench, string) {
	t.Helper()
	b := newBench(t)
	b.rows.accounts = []authn.Account{{SessionID: "s1", User: b.rows.users["0190-user"]}}
	b.rows.sids["sid1 app"] = [2]string{"s1", "0190-user"}
	return b, idOf(t, b)
}

const bye = "https://app.example.com/bye"

// Rows 87 to 89, 92: when a logout request is done at once, when it asks first,
// and where it never redirects.
func TestRow87_Logout(t *testing.T) {
	t.Parallel()
	type outcome struct {
		done     bool
		redirect string
		client   string
		ended    bool
	}
	silent := func(redirect string) outcome { return outcome{done: true, redirect: redirect, ended: true} }
	ask := outcome{}
	for name, c := range map[string]struct {
		values func(b *bench, id string) url.Values
		want   outcome
	}{
		"hint, URI and state": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}, "state": {"a&b=c d"}}
		}, silent(bye + "?state=a%26b%3Dc+d")},
		"state beside a query": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye + "?x=1"}, "state": {"s"}}
		}, silent(bye + "?x=1&state=s")},
		"no state": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}}
		}, silent(bye)},
		"client_id that fits": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}, "client_id": {"app"}}
		}, silent(bye)},
		"expired hint": {func(b *bench, id string) url.Values {
			b.add(time.Hour)
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}}
		}, silent(bye)},
		"hint alone": {func(_ *bench, id string) url.Values { return url.Values{"id_token_hint": {id}} }, silent("")},
		"URI not registered": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {"https://evil.example"}}
		}, outcome{client: "App"}},
		"query added": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye + "?foo=bar"}}
		}, outcome{client: "App"}},
		"client_id of another": {func(_ *bench, id string) url.Values {
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}, "client_id": {"other"}}
		}, ask},
		"nothing":    {func(*bench, string) url.Values { return url.Values{} }, ask},
		"only state": {func(*bench, string) url.Values { return url.Values{"state": {"s"}} }, ask},
		"URI without hint": {func(*bench, string) url.Values {
			return url.Values{"post_logout_redirect_uri": {bye}, "client_id": {"app"}}
		}, ask},
		"hint with alg none": {func(*bench, string) url.Values {
			none := unsigned(t, map[string]any{"alg": "none", "typ": "JWT"}, map[string]any{"iss": testIssuer, "sub": "0190-user", "aud": "app", "sid": "sid1"})
			return url.Values{"id_token_hint": {none}, "post_logout_redirect_uri": {bye}}
		}, ask},
		"access token as hint": {func(b *bench, _ string) url.Values {
			return url.Values{"id_token_hint": {b.accessToken(t, "openid")}, "post_logout_redirect_uri": {bye}}
		}, ask},
		"hint of another session of the user": {func(b *bench, id string) url.Values {
			b.rows.sids["sid1 app"] = [2]string{"s0", "0190-user"}
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}}
		}, outcome{client: "App"}},
		"hint of another user": {func(b *bench, id string) url.Values {
			b.rows.accounts[0].User.ID = "somebody"
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}}
		}, outcome{client: "App"}},
		"client disabled": {func(b *bench, id string) url.Values {
			b.client(func(c *Client) { c.Disabled = true })
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}}
		}, ask},
		"second account of the browser": {func(b *bench, id string) url.Values {
			b.rows.accounts = slices.Insert(b.rows.accounts, 0, authn.Account{SessionID: "s2", User: authn.User{ID: "x"}})
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}}
		}, silent(bye)},
		"session over already": {func(b *bench, id string) url.Values {
			b.rows.accounts = nil
			return url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}, "state": {"s"}}
		}, outcome{done: true, redirect: bye + "?state=s"}},
		"nobody logged in": {func(b *bench, _ string) url.Values {
			b.rows.accounts = nil
			return url.Values{"post_logout_redirect_uri": {bye}}
		}, outcome{done: true}},
	} {
		b, id := loggedIn(t)
		view, _, err := b.Logout(t.Context(), authn.Visitor{}, c.values(b, id))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := outcome{view.Done, view.Redirect, view.ClientName, slices.Contains(b.rows.ended, "s1")}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
		if !view.Done && (view.User == nil || view.Ticket == "" || view.FormAction != "") {
			t.Errorf("%s: the question = %+v", name, view)
		}
	}
}

func TestLogoutRefusesRepeatedParameters(t *testing.T) {
	t.Parallel()
	b, id := loggedIn(t)
	_, _, err := b.Logout(t.Context(), authn.Visitor{}, url.Values{"id_token_hint": {id, id}})
	if page, ok := errors.AsType[*PageError](err); !ok || page.Code != InvalidRequest {
		t.Errorf("repeated hint: %v, want an error page", err)
	}
	if len(b.rows.ended) != 0 {
		t.Error("the session was ended")
	}
}

// A yes ends the session that was asked about, if it is one of this browser,
// and goes nowhere.
func TestConfirmLogout(t *testing.T) {
	t.Parallel()
	b, _ := loggedIn(t)
	view, _, err := b.ConfirmLogout(t.Context(), authn.Visitor{}, "somebody else's")
	if err != nil || !view.Done || len(b.rows.ended) != 0 {
		t.Errorf("a foreign ticket: %+v, %v, ended %v", view, err, b.rows.ended)
	}
	view, grants, err := b.ConfirmLogout(t.Context(), authn.Visitor{}, "s1")
	if err != nil || !view.Done || view.Redirect != "" || !slices.Equal(b.rows.ended, []string{"s1"}) || grants.Sessions == nil {
		t.Errorf("ConfirmLogout = %+v, %+v, %v, ended %v", view, grants, err, b.rows.ended)
	}
}
