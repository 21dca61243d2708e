package servertest_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// generator is an authenticator app that knows nothing of ours: RFC 6238 from
// the key URI alone.
type generator struct {
	secret []byte
	digits int
	period int64
	hash   func() hash.Hash
}

func scan(t *testing.T, uri string) generator {
	t.Helper()
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || strings.ContainsAny(uri, " +") {
		t.Fatalf("key URI %q: %v", uri, err)
	}
	q := u.Query()
	g := generator{hash: sha1.New}
	if q.Get("algorithm") == "SHA256" {
		g.hash = sha256.New
	}
	if g.secret, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(q.Get("secret")); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(q.Get("digits"), &g.digits); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(q.Get("period"), &g.period); err != nil {
		t.Fatal(err)
	}
	if q.Get("issuer") == "" {
		t.Fatalf("no issuer in %q", uri)
	}
	return g
}

func (g generator) at(now time.Time) string {
	mac := hmac.New(g.hash, g.secret)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(now.Unix()/g.period))
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	mod := uint32(1)
	for range g.digits {
		mod *= 10
	}
	return fmt.Sprintf("%0*d", g.digits, n%mod)
}

// enrol registers an authenticator app.
func (w *world) enrol() {
	w.t.Helper()
	r := w.must(http.StatusCreated, "POST", w.path("totp"), "")
	g := scan(w.t, str(w.t, r.Body, "otpAuthUri"))
	w.must(http.StatusOK, "PUT", w.path("totp"), with(w.t, r.Body, "verifyTotp", g.at(w.clock.Now())))
}

// TestTOTPAliasSameHandler is case 6, totp_alias_same_handler.
func TestTOTPAliasSameHandler(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		location := func(body, name string) {
			t.Helper()
			if got, want := object(t, body)["meta"].(map[string]any)["location"], w.SCIM()+"/Users/"+w.user+"/"+name; got != want {
				t.Errorf("location %v, want %s", got, want)
			}
		}
		r := w.must(http.StatusCreated, "POST", w.path("totp"), "")
		location(r.Body, "totp")
		if r.Header.Get("Location") != w.SCIM()+"/Users/"+w.user+"/totp" {
			t.Errorf("Location %q", r.Header.Get("Location"))
		}
		o := object(t, r.Body)
		if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(fmt.Sprint(o["sharedSecret"])) || o["registered"] != false {
			t.Errorf("POST reply %s", r.Body)
		}
		if uri := fmt.Sprint(o["otpAuthUri"]); !strings.HasPrefix(uri, "otpauth://totp/Sallyport:dr.veil?secret="+fmt.Sprint(o["sharedSecret"])+"&issuer=Sallyport&") || !strings.Contains(r.Body, "&issuer") {
			t.Errorf("otpAuthUri %s", uri)
		}
		g := scan(t, str(t, r.Body, "otpAuthUri"))
		body := with(t, with(t, r.Body, "verifyTotp", g.at(w.clock.Now())), "sharedSecret", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
		done := w.must(http.StatusOK, "PUT", w.path("totpSharedSecret"), body)
		location(done.Body, "totpSharedSecret")
		if o := object(t, done.Body); len(o) != 3 || o["registered"] != true {
			t.Errorf("PUT reply %s", done.Body)
		}
		shown := w.must(http.StatusOK, "GET", w.path("totpSharedSecret"), "")
		location(shown.Body, "totpSharedSecret")
		if o := object(t, shown.Body); len(o) != 3 || o["registered"] != true {
			t.Errorf("GET reply %s", shown.Body)
		}
	})
}

// TestTOTPRealGenerator is case 7, totp_real_generator, with the algorithms and
// lengths that can be configured.
func TestTOTPRealGenerator(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*config.Config){
		"default": func(*config.Config) {},
		"SHA256 8 digits": func(c *config.Config) {
			c.SecondFactors.TOTP.Algorithm, c.SecondFactors.TOTP.Digits = "SHA256", 8
			c.SecondFactors.IssuerName = "Big Co & Sons"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(t *testing.T, w *world) {
				w.enrol()
				registered := func(want bool) {
					t.Helper()
					if got := object(t, w.must(http.StatusOK, "GET", w.path("totp"), "").Body)["registered"]; got != want {
						t.Errorf("registered = %v, want %v", got, want)
					}
				}
				registered(true)
				for range 2 { // DELETE of an absent secret is 204 too
					if r := w.do("DELETE", w.path("totp"), ""); r.Status != http.StatusNoContent || r.Body != "" {
						t.Errorf("DELETE: %d %s", r.Status, r.Body)
					}
					registered(false)
				}
				if len(w.events(audit.FactorEnrolled)) != 1 || len(w.events(audit.FactorRemoved)) != 1 {
					t.Errorf("enrolled %d, removed %d", len(w.events(audit.FactorEnrolled)), len(w.events(audit.FactorRemoved)))
				}
			}, edit)
		})
	}
}

// TestTOTPSecretStaysUntilPut: a new secret does not touch the stored one
// before its PUT, and a removal kills what is pending.
func TestTOTPSecretStaysUntilPut(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrol()
		first, err := w.Directory().Secrets().TOTP(t.Context(), w.user)
		if err != nil {
			t.Fatal(err)
		}
		r := w.must(http.StatusCreated, "POST", w.path("totp"), `{"schemas":["`+totpURN+`"]}`)
		if object(t, r.Body)["registered"] != true {
			t.Errorf("POST beside a stored secret: %s", r.Body)
		}
		if now, err := w.Directory().Secrets().TOTP(t.Context(), w.user); err != nil || now.ID != first.ID {
			t.Errorf("secret %s became %s, %v", first.ID, now.ID, err)
		}
		g := scan(t, str(t, r.Body, "otpAuthUri"))
		if r := w.do("DELETE", w.path("totp"), ""); r.Status != 204 {
			t.Fatal(r.Body)
		}
		refused(t, w.do("PUT", w.path("totp"), with(t, r.Body, "verifyTotp", g.at(w.clock.Now()))), 400, "invalidValue",
			"The account changed since the code was requested. Start again.")
		w.enrol()
		w.enrol()
		if n := len(w.events(audit.FactorReplaced)); n != 1 {
			t.Errorf("%d events factor.replaced, want 1", n)
		}
	})
}

// TestTOTPReplaySameStep is case 21, totp_replay_same_step, as far as enrolment
// goes: the enrolling code has used its step up, whoever asks next.
func TestTOTPReplaySameStep(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrol()
		secrets := w.Directory().Secrets()
		e, err := secrets.TOTP(t.Context(), w.user)
		if err != nil {
			t.Fatal(err)
		}
		step := totp.Step(w.clock.Now(), e.Config(1))
		if e.LastStep != step {
			t.Errorf("last step %d, want that of the enrolling code, %d", e.LastStep, step)
		}
		for _, used := range []int64{step, step - 1} {
			if err := secrets.UseTOTPStep(t.Context(), e, used); !errors.Is(err, totp.ErrStepUsed) {
				t.Errorf("step %d after %d: %v, want ErrStepUsed", used, step, err)
			}
		}
		if err := secrets.UseTOTPStep(t.Context(), e, step+1); err != nil {
			t.Errorf("next step: %v", err)
		}
	})
}

// TestMalformedCodes is case 22, malformed_codes.
func TestMalformedCodes(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		fullWidth := func(code string) string {
			return strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
		}
		variants := func(code string) map[string]string {
			return map[string]string{
				"one": code[:1], "five": code[:5], "one less": code[:len(code)-1], "one more": code + "0", "nine": strings.Repeat("1", 9),
				"space before": " " + code, "space behind": code + " ", "space inside": code[:3] + " " + code[3:], "full-width": fullWidth(code),
				"newline": code + "\n", "NUL": code + "\x00", "sign": "+" + code[1:], "long": strings.Repeat("1", 5000),
			}
		}
		const detail = "The verification code is incorrect."
		try := 0
		s := w.startEmail(address)
		for name, code := range variants(s.code) {
			if try++; try%5 == 0 { // the next challenge, after the closure
				w.clock.advance(3 * time.Hour)
				s = w.startEmail(address)
				code = variants(s.code)[name]
			}
			r := w.put(s, code)
			if r.Status == http.StatusOK || r.Status == http.StatusInternalServerError || r.Status == 400 && str(t, r.Body, "detail") != detail && name != "NUL" {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
		}
		refused(t, w.put(s, ""), 400, "invalidValue", "verifyCode is required.")
		r := w.must(http.StatusCreated, "POST", w.path("totp"), "")
		code := scan(t, str(t, r.Body, "otpAuthUri")).at(w.clock.Now())
		for _, name := range []string{"five", "one more", "full-width", "space inside"} {
			refused(t, w.do("PUT", w.path("totp"), with(t, r.Body, "verifyTotp", variants(code)[name])), 400, "invalidValue", detail)
		}
		refused(t, w.do("PUT", w.path("totp"), with(t, r.Body, "verifyTotp", nil)), 400, "invalidValue", "verifyTotp is required.")
		w.must(http.StatusOK, "PUT", w.path("totp"), with(t, r.Body, "verifyTotp", code))
	})
}
