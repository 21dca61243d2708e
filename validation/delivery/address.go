package delivery

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrAddress is returned for a text that is not a mailbox.
var ErrAddress = errors.New("not a valid e-mail address")

// Limits of RFC 5321 section 4.5.3.1: the path of 256 characters includes its
// angle brackets.
const (
	longestLocalPart = 64
	longestMailbox   = 254
)

// ParseEmail returns the mailbox (RFC 5321 section 4.1.2) that text is, as it
// is stored and compared: the domain in lower-case A-labels (RFC 5891), the
// local part as given, which only its own host may interpret. The domain needs
// two labels at least; address literals and local parts outside ASCII are
// refused, for codes go to mailboxes that every gateway can reach. It returns
// [ErrAddress] for anything else. Applied to its own result it changes nothing.
func ParseEmail(text string) (string, error) {
	// U-labels are longer than their A-labels.
	if len(text) > 4*longestMailbox || !utf8.ValidString(text) {
		return "", ErrAddress
	}
	at := strings.LastIndexByte(text, '@')
	if at < 1 {
		return "", ErrAddress
	}
	local, domain := text[:at], text[at+1:]
	if !localPart(local) {
		return "", ErrAddress
	}
	domain, err := asciiDomain(domain)
	if err != nil || len(local)+1+len(domain) > longestMailbox {
		return "", ErrAddress
	}
	return local + "@" + domain, nil
}

func asciiDomain(domain string) (string, error) {
	profile := idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(),
		idna.StrictDomainName(true), idna.VerifyDNSLength(true))
	ascii, err := profile.ToASCII(domain)
	if err != nil {
		return "", ErrAddress
	}
	ascii = strings.ToLower(ascii)
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 {
		return "", ErrAddress
	}
	for _, label := range labels {
		if label == "" || strings.HasPrefix(label, "-") || strings.HasSuffix(label, "-") {
			return "", ErrAddress
		}
	}
	// A top label of digits only would be an address in dotted form.
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" {
		return "", ErrAddress
	}
	return ascii, nil
}

// localPart says whether s is a Dot-string or a Quoted-string.
func localPart(s string) bool {
	if s == "" || len(s) > longestLocalPart {
		return false
	}
	if s[0] == '"' {
		return quotedString(s)
	}
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" || strings.IndexFunc(atom, notAtext) >= 0 {
			return false
		}
	}
	return true
}

// notAtext is the complement of atext (RFC 5322 section 3.2.3).
func notAtext(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// quotedString checks a Quoted-string: printable ASCII, with backslash before
// a quote or a backslash (RFC 5321 qtextSMTP and quoted-pairSMTP).
func quotedString(s string) bool {
	if len(s) < 3 || s[len(s)-1] != '"' {
		return false
	}
	inner := s[1 : len(s)-1]
	for i := 0; i < len(inner); i++ {
		c := inner[i]
		if c < ' ' || c > '~' || c == '"' {
			return false
		}
		if c != '\\' {
			continue
		}
		if i++; i == len(inner) || inner[i] < ' ' || inner[i] > '~' {
			return false
		}
	}
	return true
}

// Key returns the form of a destination under which limits count it: numbers
// as they are, mailboxes in lower case throughout and quoted no more than they
// need, so that another spelling of a mailbox is no new destination. value must
// be normalised.
func Key(ch Channel, value string) string {
	if ch.Telephone() {
		return value
	}
	value = strings.ToLower(value)
	at := strings.LastIndexByte(value, '@')
	if at < 0 || value[0] != '"' {
		return value
	}
	return requoted(value[:at]) + value[at:]
}

// requoted writes a Quoted-string as RFC 5321 section 4.1.2 says it should be
// sent: as a Dot-string if it can be one, else with no backslash that could be
// left out.
func requoted(s string) string {
	var plain, quoted strings.Builder
	inner := strings.TrimSuffix(s[1:], `"`)
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		if inner[i] == '"' || inner[i] == '\\' {
			quoted.WriteByte('\\')
		}
		plain.WriteByte(inner[i])
		quoted.WriteByte(inner[i])
	}
	if text := plain.String(); text != "" && text[0] != '"' && localPart(text) {
		return text
	}
	return `"` + quoted.String() + `"`
}

// Mask shows enough of a destination that its owner knows it and nobody else
// learns it: "d***@sainteanne.com", "+1 *** **00". value must be normalised.
func Mask(ch Channel, value string) string {
	if ch.Telephone() {
		return maskPhone(value)
	}
	at := strings.LastIndexByte(value, '@')
	if at < 1 {
		return "***"
	}
	first := value[:1]
	if first == `"` {
		first = ""
	}
	return first + "***" + value[at:]
}
