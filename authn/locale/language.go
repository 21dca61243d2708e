package locale

import (
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"
)

// Default is the language when nothing else is asked for.
const Default = "en"

// longestTag bounds what is parsed: registered tags are shorter (RFC 5646
// section 4.4.1), an Accept-Language list of a user is not much longer.
const longestTag = 256

// Languages are the languages in which texts exist, the default first.
func Languages() []string { return []string{Default, "de", "es", "fr"} }

// matcher is made at the first use and never changes; its tags are those of
// Languages.
var matcher = sync.OnceValue(func() language.Matcher {
	tags := make([]language.Tag, 0, len(Languages()))
	for _, l := range Languages() {
		tags = append(tags, language.MustParse(l))
	}
	return language.NewMatcher(tags)
})

// Valid says whether tag is a well-formed language tag (RFC 5646 section 2.1)
// whose subtags are registered.
func Valid(tag string) bool {
	if tag == "" || len(tag) > longestTag {
		return false
	}
	_, err := language.Parse(tag)
	return err == nil
}

// Choose returns the language in which to address a person: the first
// candidate that some language of ours suits, else fallback, else Default. A
// candidate is a tag ("de-AT", "en_US") or a list with weights as in
// Accept-Language, which is also the form of preferredLanguage (RFC 7643
// section 4.1.1). What is no such thing is passed over.
func Choose(fallback string, candidates ...string) string {
	m := matcher()
	for _, candidate := range append(slices.Clone(candidates), fallback) {
		if candidate = strings.TrimSpace(candidate); candidate == "" || len(candidate) > longestTag {
			continue
		}
		tags, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(candidate, "_", "-"))
		if err != nil || len(tags) == 0 {
			continue
		}
		if _, i, confidence := m.Match(tags...); confidence > language.No {
			return Languages()[i]
		}
	}
	return Default
}
