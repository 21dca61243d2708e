package servertest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/authn/remote"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// arrived checks that the application got a code.
func (w *pagesWorld) arrived(b *tab) {
	w.t.Helper()
	b.wait("#arrived")
	if got := w.client.answers(); len(got) != 1 || got[0].Get("code") == "" {
		w.t.Errorf("answers: %v", got)
	}
	b.noComplaints()
}

// allow consents.
func (b *tab) allow() { b.t.Helper(); b.press(`button[value="allow"]`, "#arrived") }

// TestPagesRemember: the box that has this browser remembered.
func TestPagesRemember(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t, rememberACR)
	w.enrolBoth()
	b := newBrowser(t)
	b.open(w.authorizeURL("acr_values", "Known"))
	b.signIn(`button[value^="totp"]`)
	b.press(`button[value^="totp"]`, "#remember")
	b.judge("code-remember")
	b.run(chromedp.Click("#remember", chromedp.ByQuery))
	b.fill("#code", "000000")
	b.press("button.primary", "#fault")
	b.wait("#remember:checked")
	b.judge("code-remember-wrong")
	b.fill("#code", w.appCode())
	b.press("button.primary", "#consent")
	b.allow()
	w.arrived(b)
	b.open(w.URL() + "/account/sessions")
	b.wait(`button[name="device"], input[name="device"]`)
	b.judge("account-sessions-remembered")
	b.noComplaints()
}

// TestPagesEnrol: the step that leads to setting a factor up, and the way back.
func TestPagesEnrol(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t, enrolOnTheWay)
	b := newBrowser(t)
	b.open(w.authorizeURL("acr_values", "MFA"))
	b.signIn(`a[href$="/account/security/app"]`)
	b.judge("enrol")
	b.press(`a[href$="/account/security/app"]`, ".onward")
	b.judge("enrol-app")
	b.press("button.primary", ".qr svg")
	w.secret = strings.Join(strings.Fields(b.text("code.secret")), "")
	b.fill("#code", w.appCode())
	b.press("button.primary", ".onward")
	b.judge("enrol-done")
	b.press(".onward a", `button[value^="totp"], #code`)
	b.judge("enrol-return")
	b.noComplaints()
}

// TestPagesSecrets: a second password and a recovery code are typed.
func TestPagesSecrets(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t, oneFactor, func(c *config.Config) {
		c.ACRs = append(c.ACRs, config.ACR{Name: "Secrets", Needs: []config.Need{
			{AnyOf: []string{"password"}}, {AnyOf: []string{"second_password", "recovery_code"}},
		}})
	})
	w.as(w.own(withFactor), http.StatusOK, http.MethodPut, me("/secondPassword"), secondBody(secondSecret))
	made := w.as(w.own(withFactor), http.StatusCreated, http.MethodPost, me("/recoveryCodes"), "")
	w.patch(`"op":"replace","path":"secondFactorEnabled","value":true`, w.user)
	b := newBrowser(t)
	b.open(w.authorizeURL("acr_values", "Secrets"))
	b.signIn(`button[value^="second_password"]`)
	b.judge("factor-secrets")
	b.press(`button[value^="second_password"]`, "#secret")
	b.judge("code-second-password")
	b.fill("#secret", "not it at all")
	b.press("button.primary", "#fault")
	b.judge("code-second-password-wrong")
	b.press(`button[value^="recovery_code"]`, "#code")
	b.judge("code-recovery")
	b.fill("#code", "0000-0000-0000-0000")
	b.press("button.primary", "#fault")
	b.judge("code-recovery-wrong")
	b.fill("#code", object(t, made.Body)["codes"].([]any)[0].(string))
	b.press("button.primary", "#consent")
	b.allow()
	w.arrived(b)
}

// waiting is an authenticator of others that waits until it is told.
type waiting struct {
	*httptest.Server
	ready  atomic.Bool
	secret []byte
}

func newWaiting(t *testing.T) *waiting {
	t.Helper()
	s := &waiting{secret: []byte("a secret that both sides share, long")}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *waiting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := s.answer(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = io.WriteString(w, text)
}

func (s *waiting) answer(in io.Reader) (string, error) {
	body, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	jws, err := jose.ParseSignedCompact(string(body), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return "", err
	}
	payload, err := jws.Verify(s.secret)
	if err != nil {
		return "", err
	}
	var req remote.Request
	if err := json.Unmarshal(payload, &req); err != nil {
		return "", err
	}
	reply := remote.Reply{Audience: req.Issuer, InReplyTo: req.ID, IssuedAt: req.IssuedAt, Status: remote.Started, Prompt: "Look at your telephone: is it 42?"}
	if req.Operation == remote.Check {
		reply.Prompt, reply.Status = "", remote.Pending
		if s.ready.Load() {
			reply.Status = remote.Success
		}
	}
	return s.sign(reply)
}

func (s *waiting) sign(reply remote.Reply) (string, error) {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: s.secret},
		(&jose.SignerOptions{}).WithType(remote.TypeReply))
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(reply)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// TestPagesWaiting: an authenticator that waits, as one with a push message.
func TestPagesWaiting(t *testing.T) {
	t.Parallel()
	push := newWaiting(t)
	w := newPagesWorld(t, func(c *config.Config) {
		c.Authenticators = map[string]config.Authenticator{"push": {
			URL: push.URL, Secret: config.Secret(push.secret), Label: "Staff telephone", Category: "possession", AMR: []string{"hwk"},
			Attribute: "nickName", Starts: true, Waits: true, AllowPrivate: true,
		}}
		c.ACRs = append(c.ACRs, config.ACR{Name: "Push", Distinct: true, Needs: []config.Need{
			{AnyOf: []string{"password"}}, {AnyOf: []string{"push"}},
		}})
	})
	w.patch(`"op":"replace","value":{"nickName":"4711","secondFactorEnabled":true}`, w.user)
	b := newBrowser(t)
	b.open(w.authorizeURL("acr_values", "Push"))
	b.signIn(`button[value^="push"]`)
	b.judge("factor-push")
	b.press(`button[value^="push"]`, `form[action$="/code"] button.primary`)
	b.judge("waits")
	b.press("button.primary", "#fault")
	b.judge("waits-still")
	push.ready.Store(true)
	b.press("button.primary", "#consent")
	b.allow()
	w.arrived(b)
}
