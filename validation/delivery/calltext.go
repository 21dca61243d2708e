package delivery

import (
	"errors"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What is wrong with a text that a caller chose.
var (
	// ErrNoCode: neither subject nor text has %code%.
	ErrNoCode = errors.New("text without %code%")
	// ErrText: too long, or with a link, markup or control character.
	ErrText = errors.New("text not allowed")
)

// placeholder is replaced by the code.
const placeholder = "%code%"

// Caps in characters (specification of second factors, section 7).
const (
	longestSubject   = 120
	longestText      = 1000
	longestPhoneText = 140
)

// CheckEmailTexts checks the subject and text that a caller chose for an
// e-mail: [ErrNoCode] or [ErrText]. Either may be empty; the template's stands
// in then.
func CheckEmailTexts(subject, text string) error {
	if !allowedText(subject, longestSubject, "") || !allowedText(text, longestText, "\n\r") {
		return ErrText
	}
	if !strings.Contains(subject, placeholder) && !strings.Contains(text, placeholder) {
		return ErrNoCode
	}
	return nil
}

// CheckPhoneText checks the text that a caller chose for an SMS or a call:
// [ErrNoCode] or [ErrText].
func CheckPhoneText(text string) error {
	if !allowedText(text, longestPhoneText, "") {
		return ErrText
	}
	if !strings.Contains(text, placeholder) {
		return ErrNoCode
	}
	return nil
}

// allowedText applies the rules but for %code%: a text that anybody may
// dictate must not become a lure.
func allowedText(text string, longest int, newlines string) bool {
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > longest {
		return false
	}
	for _, r := range text {
		if strings.ContainsRune(newlines, r) {
			continue
		}
		if forbiddenRune(r) {
			return false
		}
	}
	// A carriage return stands before a line feed or not at all.
	if strings.Contains(strings.ReplaceAll(text, "\r\n", "\n"), "\r") {
		return false
	}
	return !linkLike(text) && !markupLike(text)
}

// forbiddenRune refuses control and format characters (bidirectional
// overrides, zero-width ones), separators of lines, private and unassigned
// code points, and the replacement character.
func forbiddenRune(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp) || r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Zs)
}

func markupLike(text string) bool {
	if strings.ContainsAny(text, "<>＜＞﹤﹥") {
		return true
	}
	for rest := text; ; {
		_, after, found := strings.Cut(rest, "&")
		if !found {
			return false
		}
		if name := strings.IndexFunc(after, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '#' }); name > 0 && after[name] == ';' {
			return true
		}
		rest = after
	}
}

// linkLike finds what a mail program or telephone makes a link of: "//", a
// scheme before something, "www.", an e-mail address, a dotted quad, or a name
// with a dot directly before two letters. A full-width dot counts as one, and
// the ideographic full stop before Latin letters, as browsers have it (RFC
// 5895); before others it ends a sentence. The placeholder counts as the digits
// that it becomes.
func linkLike(text string) bool {
	folded := strings.ToLower(strings.NewReplacer(
		"．", ".", "․", ".", "：", ":", "／", "/", "＠", "@", placeholder, "0").Replace(text))
	return strings.Contains(folded, "//") || strings.Contains(folded, "www.") ||
		schemePattern.MatchString(folded) || domainPattern.MatchString(folded)
}

// Compiled once, never changed. A scheme must be a known one, since "code:123"
// is what these texts are made of.
var (
	schemePattern = regexp.MustCompile(`(?:^|[^\p{L}\p{N}])(?:https?|ftps?|file|mailto|tel|sms|smsto|mms|javascript|vbscript|data|intent|market|` +
		`whatsapp|tg|viber|skype|facetime|geo|itms[a-z-]*|ms-[a-z-]+|sip|sips|xmpp|bitcoin|ethereum)[ ]?:[ ]?[^\s]`)
	domainPattern = regexp.MustCompile(`[\p{L}\p{N}_-]\.(?:\p{L}[\p{L}\p{M}]|xn--)|[\p{L}\p{N}_-][。｡](?:[a-z]{2}|xn--)|\d{1,3}(?:\.\d{1,3}){3}|[^\s]@[\p{L}\p{N}]`)
)

// fill puts the code into a text in one pass; what the code contains is not
// looked at again.
func (t Text) fill(code Code) string {
	return strings.ReplaceAll(t.Reveal(), placeholder, code.Reveal())
}
