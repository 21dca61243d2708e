package delivery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

func TestParseEmail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 64)
	for _, c := range []struct{ rule, text, want string }{
		{"as in the specification", "dr.veil@sainteanne.com", "dr.veil@sainteanne.com"},
		{"the local part is kept", "Dr.Veil+tag@Sainteanne.COM", "Dr.Veil+tag@sainteanne.com"},
		{"an internationalised domain in A-labels", "ann@BÜCHER.example", "ann@xn--bcher-kva.example"},
		{"an A-label stays", "ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"},
		{"an ideographic dot is a dot", "ann@例え。jp", "ann@xn--r8jz45g.jp"},
		{"a quoted string", `"ann smith"@example.com`, `"ann smith"@example.com`},
		{"a quoted at-sign", `"a@b"@example.com`, `"a@b"@example.com`},
		{"every character of atext", "!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"},
		{"64 characters before the at-sign", long + "@example.com", long + "@example.com"},
	} {
		got, err := delivery.ParseEmail(c.text)
		if err != nil || got != c.want {
			t.Errorf("%s: ParseEmail(%q) = %q, %v, want %q", c.rule, c.text, got, err, c.want)
		}
	}
	for rule, text := range map[string]string{
		"empty": "", "no at-sign": "ann", "no local part": "@example.com", "no domain": "ann@", "one label": "ann@localhost",
		"two dots": "a..b@example.com", "dot first": ".a@example.com", "dot last": "a.@example.com", "blank": "a b@example.com",
		"display name": "Ann <ann@example.com>", "list": "ann@example.com,bob@example.com", "line break": "ann@example.com\r\nBcc: x@y.zz",
		"line break in quotes": "\"a\r\nb\"@example.com", "65 characters": long + "a@example.com", "NUL": "a\x00@example.com",
		"local part outside ASCII": "änn@example.com", "address literal": "ann@[192.0.2.1]", "dotted quad": "ann@192.0.2.1",
		"empty label": "ann@example..com", "trailing dot": "ann@example.com.", "hyphen first": "ann@-example.com",
		"underscore": "ann@exa_mple.com", "percent-encoded": "ann@exa%6dple.com", "label too long": "ann@" + long + ".com",
		"mailbox too long": "ann@" + strings.Repeat("abcdefg.", 40) + "com", "open quote": `"ann@example.com`, "bare quote": `a"b@example.com`,
		"invalid UTF-8": "ann@\xff.com", "right-to-left mixed": "ann@אa.com", "zero width joiner alone": "ann@\u200d.com", "empty quotes": `""@example.com`,
	} {
		if got, err := delivery.ParseEmail(text); !errors.Is(err, delivery.ErrAddress) {
			t.Errorf("%s: ParseEmail(%q) = %q, %v, want ErrAddress", rule, text, got, err)
		}
	}
}

func TestKeyAndMask(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ch               delivery.Channel
		value, key, mask string
	}{
		{delivery.Email, "dr.veil@sainteanne.com", "dr.veil@sainteanne.com", "d***@sainteanne.com"},
		{delivery.Email, "Dr.Veil@sainteanne.com", "dr.veil@sainteanne.com", "D***@sainteanne.com"},
		{delivery.Email, `"ann smith"@example.com`, `"ann smith"@example.com`, "***@example.com"},
		{delivery.SMS, "+15125550100", "+15125550100", "+1 *** **00"},
		{delivery.Voice, "+4915112345678", "+4915112345678", "+49 *** **78"},
		{delivery.SMS, "nonsense", "nonsense", "***"},
		{delivery.Email, "nonsense", "nonsense", "***"},
	} {
		if got := delivery.Key(c.ch, c.value); got != c.key {
			t.Errorf("Key(%s, %q) = %q, want %q", c.ch, c.value, got, c.key)
		}
		if got := delivery.Mask(c.ch, c.value); got != c.mask {
			t.Errorf("Mask(%s, %q) = %q, want %q", c.ch, c.value, got, c.mask)
		}
	}
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{"dr.veil@sainteanne.com", `"a\"b"@example.com`, "x@bücher.example", "a@b", "@", "a@b\r\nc", "\xff@x.yy"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := delivery.ParseEmail(text)
		if err != nil {
			if !errors.Is(err, delivery.ErrAddress) || got != "" {
				t.Fatalf("ParseEmail(%q) = %q, %v", text, got, err)
			}
			return
		}
		again, err := delivery.ParseEmail(got)
		if err != nil || again != got {
			t.Errorf("ParseEmail of its own result %q = %q, %v", got, again, err)
		}
		if strings.ContainsAny(got, "\r\n\x00") || len(got) > 254 {
			t.Errorf("ParseEmail(%q) = %q: not fit for a header", text, got)
		}
		if before, _, _ := strings.Cut(got, "@"); !strings.HasPrefix(text, before) {
			t.Errorf("ParseEmail(%q) = %q: the local part changed", text, got)
		}
	})
}

// TestKeySpellings: RFC 5321 section 4.1.2 lets one mailbox be written in many
// ways; the limits count it once.
func TestKeySpellings(t *testing.T) {
	t.Parallel()
	const plain = "ann.lee@example.com"
	for _, same := range []string{
		plain, "Ann.Lee@example.com", `"ann.lee"@example.com`, `"\a\n\n\.\l\e\e"@example.com`, `"ANN\.lee"@example.com`,
	} {
		if got := delivery.Key(delivery.Email, same); got != plain {
			t.Errorf("Key(%s) = %s, want %s", same, got, plain)
		}
	}
	quoted := delivery.Key(delivery.Email, `"a \"b\" c"@example.com`)
	if again := delivery.Key(delivery.Email, `"\a\ \"\b\"\ \c"@example.com`); again != quoted {
		t.Errorf("two spellings of one quoted mailbox have the keys %s and %s", quoted, again)
	}
	distinct := map[string]bool{}
	for _, other := range []string{`"a@b"@example.com`, `"a b"@example.com`, `"ab"@example.com`, `"a\"b"@example.com`, `"a\\b"@example.com`, `"a..b"@example.com`, `"\"ab\""@example.com`} {
		distinct[delivery.Key(delivery.Email, other)] = true
	}
	if len(distinct) != 7 {
		t.Errorf("seven mailboxes have %d keys", len(distinct))
	}
	if got := delivery.Key(delivery.SMS, "+4915112345678"); got != "+4915112345678" {
		t.Errorf("Key of a number = %s", got)
	}
}
