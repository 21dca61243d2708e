package delivery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Test case 37 text_rules: what a caller may say.
func TestCallerTexts(t *testing.T) {
	t.Parallel()
	for rule, c := range map[string][2]string{
		"as the SDK sends it":             {"Please confirm your email address", "Your verification code: %code%"},
		"code in the subject only":        {"%code% is your code", "Thank you."},
		"no subject":                      {"", "Code %code%"},
		"no text":                         {"Code %code%", ""},
		"several codes, newlines":         {"x", "One: %code%\nTwo:\r\n%code%"},
		"a colon directly before":         {"x", "code:%code%"},
		"abbreviations":                   {"x", "z. B. %code% (d. h. e.g. your code). 3.14 of 12:30, v1.2"},
		"an ampersand":                    {"Smith & Sons; AT&T", "%code%"},
		"another script":                  {"確認コード", "コードは %code% です。どうぞ！"},
		"120 characters of subject":       {strings.Repeat("ä", 120), "%code%"},
		"1000 characters of text":         {"x", strings.Repeat("é", 994) + "%code%"},
		"currency and emoji":              {"x", "%code% – 5 € ✓ 🔑"},
		"a sentence that ends before one": {"x", "Your code is %code%. Thank you"},
	} {
		if err := delivery.CheckEmailTexts(c[0], c[1]); err != nil {
			t.Errorf("%s: CheckEmailTexts(%q, %q) = %v, want nil", rule, c[0], c[1], err)
		}
	}
	for rule, text := range forbiddenTexts() {
		if err := delivery.CheckEmailTexts("x", text+" %code%"); !errors.Is(err, delivery.ErrText) {
			t.Errorf("%s: text %q = %v, want ErrText", rule, text, err)
		}
		if err := delivery.CheckEmailTexts(text, "%code%"); !errors.Is(err, delivery.ErrText) {
			t.Errorf("%s: subject %q = %v, want ErrText", rule, text, err)
		}
		if err := delivery.CheckPhoneText(text + " %code%"); !errors.Is(err, delivery.ErrText) {
			t.Errorf("%s: telephone %q = %v, want ErrText", rule, text, err)
		}
	}
	for rule, err := range map[string]error{
		"e-mail without the placeholder":    delivery.CheckEmailTexts("code", "CODE %Code% %%code"),
		"telephone without the placeholder": delivery.CheckPhoneText("Your code"),
		"nothing at all":                    delivery.CheckEmailTexts("", ""),
	} {
		if !errors.Is(err, delivery.ErrNoCode) {
			t.Errorf("%s: %v, want ErrNoCode", rule, err)
		}
	}
	for rule, err := range map[string]error{
		"121 characters of subject":   delivery.CheckEmailTexts(strings.Repeat("a", 121), "%code%"),
		"1001 characters of text":     delivery.CheckEmailTexts("x", strings.Repeat("a", 995)+"%code%"),
		"141 characters by telephone": delivery.CheckPhoneText(strings.Repeat("a", 135) + "%code%"),
		"newline in a subject":        delivery.CheckEmailTexts("a\nb", "%code%"),
		"newline by telephone":        delivery.CheckPhoneText("a\n%code%"),
		"carriage return alone":       delivery.CheckEmailTexts("x", "a\rb %code%"),
	} {
		if !errors.Is(err, delivery.ErrText) {
			t.Errorf("%s: %v, want ErrText", rule, err)
		}
	}
	if err := delivery.CheckPhoneText(strings.Repeat("a", 134) + "%code%"); err != nil {
		t.Errorf("140 characters by telephone: %v, want nil", err)
	}
}

func forbiddenTexts() map[string]string {
	return map[string]string{
		"https": "https://evil.example", "http": "go to http://a", "scheme alone": "//evil", "other scheme": "foo://bar",
		"javascript": "javascript:alert", "mailto": "mailto:a", "telephone link": "tel:+15125550100", "blank after the scheme": "tel: 1",
		"www": "www.evil", "WWW": "WWW.evil", "domain": "evil.com", "domain in a sentence": "Visit evil.example now", "short domain": "t.co",
		"domain before the code": "bank.com/", "no blank after a full stop": "code.Please", "punycode": "x.xn--p1ai", "other script": "банк.рф",
		"ideographic full stop as a dot": "evil。com", "full-width dot": "evil．com", "one dot leader": "evil․com", "full-width colon": "https：//x",
		"dotted quad": "10.0.0.1", "e-mail address": "ann@example.com", "address without dot": "ann@intranet",
		"tag": "<b>", "less-than": "a < b", "greater-than": "a > b", "entity": "&lt;", "numeric entity": "&#60;", "hex entity": "&#x3c;", "full-width tag": "＜b＞",
		"NUL": "a\x00b", "escape": "a\x1b[31mb", "tab": "a\tb", "delete": "a\x7fb", "C1": "a\u0085b", "line separator": "a\u2028b",
		"bidi override": "a\u202eb", "bidi isolate": "a\u2066b", "right-to-left mark": "a\u200fb", "zero width": "a\u200bb", "byte order mark": "\ufeffa",
		"private use": "a\ue000b", "invalid UTF-8": "a\xffb", "replacement": "a\ufffdb", "unassigned": "a\u0378b", "tag character": "a\U000e0041b",
	}
}

func FuzzCallerText(f *testing.F) {
	for rule, text := range forbiddenTexts() {
		f.Add(rule, text)
	}
	f.Add("%code%", "Your code: %code%\r\nbye")
	f.Fuzz(func(t *testing.T, subject, text string) {
		if err := delivery.CheckEmailTexts(subject, text); err == nil {
			for _, s := range []string{subject, text} {
				if strings.ContainsAny(s, "<>\x00\x1b") || strings.Contains(s, "://") || strings.Contains(strings.ToLower(s), "www.") {
					t.Errorf("accepted %q", s)
				}
			}
			if strings.ContainsAny(subject, "\r\n") || !strings.Contains(subject+text, "%code%") {
				t.Errorf("accepted subject %q, text %q", subject, text)
			}
		}
		if delivery.CheckPhoneText(text) == nil && (strings.ContainsAny(text, "\r\n<>") || !strings.Contains(text, "%code%")) {
			t.Errorf("accepted telephone text %q", text)
		}
	})
}
