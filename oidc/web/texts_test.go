package web_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/locale"
	"github.com/sallyport-id/sallyport/oidc/web"
)

func readyStep() authn.Step { return authn.Ready{User: ann()} }

// TestTextsComplete: every language has every text, with the same placeholders.
func TestTextsComplete(t *testing.T) {
	t.Parallel()
	if _, err := web.Texts(); err != nil {
		t.Error(err)
	}
}

// TestTextsOfValues: what pages build keys of has its texts.
func TestTextsOfValues(t *testing.T) {
	t.Parallel()
	texts, err := web.Texts()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, f := range append(acr.Factors(), acr.Password) {
		keys = append(keys, "factor."+string(f), "factor."+string(f)+"_hint")
	}
	for _, f := range []acr.Factor{acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP} {
		keys = append(keys, "code."+string(f), "code."+string(f)+"_blind", "login.with_"+string(f))
	}
	for _, r := range []authn.RefusalReason{
		authn.BadCredentials, authn.WrongCode, authn.CodeExpired, authn.FactorLocked, authn.SendLimited,
		authn.SendFailed, authn.PasswordRules, authn.Busy,
	} {
		keys = append(keys, "refusal."+string(r))
	}
	for _, field := range []string{"username", "password", "code", "new_password", "user_code", "choice"} {
		keys = append(keys, "missing."+field)
	}
	for _, key := range keys {
		if !texts.Has(key) {
			t.Errorf("there is no text %q", key)
		}
	}
}

// TestTextsOfTemplates: every fixed key in a template has a text, and every
// text is used.
func TestTextsOfTemplates(t *testing.T) {
	t.Parallel()
	texts, err := web.Texts()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("templates", "*.html"))
	if err != nil || len(files) == 0 {
		t.Fatalf("templates %v: %v", files, err)
	}
	fixed := regexp.MustCompile(`\.T "([a-z._]+)"`)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fixed.FindAllStringSubmatch(string(raw), -1) {
			if !texts.Has(m[1]) {
				t.Errorf("%s: there is no text %q", file, m[1])
			}
		}
	}
}

// TestEveryLanguage shows every page in every language: no key and no
// placeholder is left on one.
func TestEveryLanguage(t *testing.T) {
	t.Parallel()
	left := regexp.MustCompile(`>[^<]*(\{[a-z]+\}|\b(login|factor|code|consent|error|refusal|missing|device|wait)\.[a-z_]+)[^<]*<`)
	for _, lang := range locale.Languages() {
		for _, s := range scenes() {
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			b.begin()
			s.set(f)
			f.txn.Languages = lang
			b.header.Set("Accept-Language", lang)
			p := s.show(b)
			if m := left.FindString(p.Body); m != "" {
				t.Errorf("%s in %s: %q", s.name, lang, m)
			}
			if !strings.Contains(p.Body, `<html lang="`+lang+`">`) {
				t.Errorf("%s is not in %s", s.name, lang)
			}
		}
	}
}
