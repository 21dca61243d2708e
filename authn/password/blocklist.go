package password

import (
	_ "embed" // the list of common passwords
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// commonPasswords are lines in ascending order of bytes, in lower case; see
// common/NOTICE.
//
//go:embed common/passwords.txt
var commonPasswords string

const (
	// longestCommon bounds a line of the list, in bytes.
	longestCommon = 32
	// shortestWord is how long a name must be to be refused as a password, in
	// characters: shorter ones are part of too much.
	shortestWord = 4
	// mostDecoration is how many digits and signs at its end leave a password
	// what it was. More of them may be a secret of their own.
	mostDecoration = 8
)

// BlockReason is why a password may not be used.
type BlockReason string

// The reasons.
const (
	Common   BlockReason = "common"   // in the list of common passwords
	Personal BlockReason = "personal" // a word about the user or the service
	Breached BlockReason = "breached" // in the list of breached passwords
)

// BlockedError refuses a password that others try first (NIST SP 800-63B-4
// section 3.1.1.2).
type BlockedError struct{ Reason BlockReason }

// Error implements error; the text is fit to be shown.
func (e *BlockedError) Error() string {
	switch e.Reason {
	case Personal:
		return "it is a name or an address of the user, or the name of this service; choose another"
	case Breached:
		return "it is in a list of passwords from data breaches; choose another"
	case Common:
	}
	return "it is in a list of common passwords; choose another"
}

// Blocklist knows passwords that nobody may choose: common ones, the names of
// the user and of the service, and those in a list of breached ones. A listed
// word stays listed in any case and width of its letters, without the signs
// between them, and with a few digits and signs behind. Safe for concurrent
// use.
type Blocklist struct {
	common   sortedLines
	service  []string
	breached *HashFile
}

// NewBlocklist returns the list of common passwords with the names of the
// service; breached may be nil.
func NewBlocklist(service []string, breached *HashFile) *Blocklist {
	return &Blocklist{
		common: sortedLines{
			text: strings.NewReader(commonPasswords), size: int64(len(commonPasswords)), longest: longestCommon,
			key: func(line []byte) ([]byte, error) { return line, nil },
		},
		service: service, breached: breached,
	}
}

// Check returns *BlockedError for a password that is listed, or that is one of
// the words about its user: names and addresses as they stand in the user's
// document. Any other error means that a list could not be read.
func (b *Blocklist) Check(p Password, words []string) error {
	forms := formsOf(p.text)
	for _, form := range forms {
		found, err := b.common.contains([]byte(form))
		if err != nil {
			return err
		}
		if found {
			return &BlockedError{Common}
		}
	}
	for _, word := range [][]string{b.service, words} {
		if named(forms, word) {
			return &BlockedError{Personal}
		}
	}
	if b.breached == nil {
		return nil
	}
	found, err := b.breached.contains(p.normalize())
	if err == nil && found {
		err = &BlockedError{Breached}
	}
	return err
}

// named reports whether one of the forms of a password is one of the words.
func named(forms, words []string) bool {
	for _, word := range words {
		folded := fold(word)
		local, _, _ := strings.Cut(folded, "@")
		for _, w := range []string{folded, local, lettersOf(folded), lettersOf(local)} {
			if utf8.RuneCountInString(w) < shortestWord {
				continue
			}
			if slices.Contains(forms, w) {
				return true
			}
		}
	}
	return false
}

// formsOf are the words that a password may be in disguise: itself, without
// what stands behind a word, and both by their letters and digits only.
func formsOf(text string) []string {
	whole := fold(text)
	forms := []string{whole, lettersOf(whole)}
	bare := strings.TrimRightFunc(whole, decorates)
	for _, base := range []string{strings.TrimRightFunc(whole, sign), bare, lettersOf(bare)} {
		if base != "" && utf8.RuneCountInString(whole)-utf8.RuneCountInString(base) <= mostDecoration {
			forms = append(forms, base)
		}
	}
	return forms
}

// fold is the form that words are compared in.
func fold(text string) string { return cases.Fold().String(norm.NFKC.String(text)) }

// lettersOf drops all but letters and digits.
func lettersOf(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return r
		}
		return -1
	}, text)
}

func sign(r rune) bool      { return unicode.IsPunct(r) || unicode.IsSymbol(r) || unicode.IsSpace(r) }
func decorates(r rune) bool { return sign(r) || unicode.IsDigit(r) }
