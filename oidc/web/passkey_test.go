package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
)

// The options of a passkey go to a script of our own page only: with the token
// of that page, and never into a cache.
func TestPasskeyOptions(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	f.step = authn.AskLogin{Factors: []acr.Factor{acr.Password, acr.Passkey}}
	csrf := b.get("/login/t1").token(t)
	got := b.post("/login/t1/passkey/options", url.Values{"csrf": {csrf}})
	if got.Status != http.StatusOK || !strings.Contains(got.Body, `"challenge":"AAAA"`) || got.Header.Get("Cache-Control") != "no-store" ||
		!strings.HasPrefix(got.Header.Get("Content-Type"), "application/json") {
		t.Errorf("options: %d %v %s", got.Status, got.Header, got.Body)
	}
	if got := b.post("/login/t1/passkey/options", nil); got.Status != http.StatusForbidden {
		t.Errorf("without the token of the page: %d", got.Status)
	}
	f.refusal = &authn.Refusal{Reason: authn.OutOfStep}
	if got := b.post("/login/t1/passkey/options", url.Values{"csrf": {csrf}}); got.Status != http.StatusConflict {
		t.Errorf("in another step: %d", got.Status)
	}
}

// The answer goes to the engine as it came; an empty one never does.
func TestPasskeyAnswer(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	f.step = authn.AskPasskey{User: ann(), MayRemember: true}
	csrf := b.get("/login/t1").token(t)
	if got := b.post("/login/t1/passkey", url.Values{"csrf": {csrf}, "answer": {`{"id":"x"}`}, "remember": {"on"}}); got.Status != http.StatusSeeOther {
		t.Fatalf("answer: %d %s", got.Status, got.Body)
	}
	if !slices.ContainsFunc(f.Calls(), func(c string) bool { return strings.Contains(c, `passkey {"id":"x"}`) }) {
		t.Error("the engine was not called with the answer")
	}
	if got := b.post("/login/t1/passkey", url.Values{"csrf": {csrf}}); got.Status != http.StatusUnprocessableEntity {
		t.Errorf("nothing: %d", got.Status)
	}
	if calls := f.Calls(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "passkey") }) {
		t.Errorf("the engine was called with %v", calls)
	}
}
