package schema

import (
	"strings"
	"time"
	_ "time/tzdata" // the zone names must not depend on the machine

	"golang.org/x/text/language"
)

// standard is the list that the values of an attribute come from by RFC 7643
// section 4.1. It is checked only under Policy.CheckStandards, because large
// clients send full country names.
type standard int

const (
	noStandard standard = iota
	standardCountry
	standardLocale
	standardTimezone
)

// check returns what is wrong with a value, as the end of a sentence, or "".
func (s standard) check(v string) string {
	switch s {
	case standardCountry:
		if !isCountry(v) {
			return `must be a two-letter country code of ISO 3166-1, such as "US"`
		}
	case standardLocale:
		// The parser would also take the underscore of older systems.
		if _, err := language.Parse(v); err != nil || strings.Contains(v, "_") {
			return `must be a language tag of RFC 5646, such as "en-US"`
		}
	case standardTimezone:
		if _, err := time.LoadLocation(v); err != nil || v == "" || v == "Local" {
			return `must be a name of the IANA time zone database, such as "America/Los_Angeles"`
		}
	case noStandard:
	}
	return ""
}

func isCountry(v string) bool {
	if len(v) != 2 || strings.ToUpper(v) != v {
		return false
	}
	// Reserved and withdrawn codes, such as UK, have another canonical form.
	region, err := language.ParseRegion(v)
	return err == nil && region.IsCountry() && region.Canonicalize().String() == v
}
