package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/nyaruka/phonenumbers"
)

// ErrNumber is returned for a text that is no telephone number in E.164 form.
var ErrNumber = errors.New("not a telephone number in E.164 form")

// LineKind is what a number is good for, by its numbering plan.
type LineKind string

// The kinds.
const (
	Mobile     LineKind = "mobile"
	FixedLine  LineKind = "fixed line"
	EitherLine LineKind = "fixed line or mobile" // not told apart in that plan
	VoIP       LineKind = "voip"
	TollFree   LineKind = "toll free"
	Forbidden  LineKind = "forbidden" // costs somebody money, or is nobody's
)

// Phone is a telephone number.
type Phone struct {
	E164    string // "+4915112345678"
	Country string // calling code: "49"
	Region  string // ISO 3166-1 alpha-2; empty for numbers of no country
	Kind    LineKind
}

// longestNumber is the number of digits of E.164 section 6.2.1.
const longestNumber = 15

// noCountry lists the calling codes that belong to no country: satellite and
// international networks, personal numbers, shared cost and premium rate.
// Calls there are dear and often pay the one who is called.
func noCountry(code int) bool {
	return slices.Contains([]int{800, 808, 870, 878, 881, 882, 883, 888, 979, 991}, code)
}

// ParsePhone reads a number that is written in E.164 form already: a plus sign
// and up to 15 digits, without blanks, punctuation or a national prefix. It
// does not judge whether codes may go there; [Provider.Check] does.
func ParsePhone(text string) (Phone, error) {
	if !e164(text) {
		return Phone{}, ErrNumber
	}
	n, err := phonenumbers.Parse(text, "ZZ")
	if err != nil || !phonenumbers.IsPossibleNumber(n) || phonenumbers.Format(n, phonenumbers.E164) != text {
		return Phone{}, ErrNumber
	}
	code := int(n.GetCountryCode())
	p := Phone{E164: text, Country: strconv.Itoa(code), Region: phonenumbers.GetRegionCodeForNumber(n)}
	if len(p.Region) != 2 {
		p.Region = ""
	}
	p.Kind = kindOf(phonenumbers.GetNumberType(n))
	if p.Region == "" || noCountry(code) {
		p.Kind = Forbidden
	}
	return p, nil
}

func e164(text string) bool {
	digits, plus := strings.CutPrefix(text, "+")
	if !plus || digits == "" || len(digits) > longestNumber || digits[0] == '0' {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// kindOf follows security rule 2.4. Personal numbers are forbidden too: in the
// plans that have them a call costs as much as a premium one.
func kindOf(t phonenumbers.PhoneNumberType) LineKind {
	switch t {
	case phonenumbers.MOBILE:
		return Mobile
	case phonenumbers.FIXED_LINE:
		return FixedLine
	case phonenumbers.FIXED_LINE_OR_MOBILE:
		return EitherLine
	case phonenumbers.VOIP:
		return VoIP
	case phonenumbers.TOLL_FREE:
		return TollFree
	default:
		return Forbidden
	}
}

// receives says whether a number of this kind can receive codes by a channel:
// a fixed line is called, never texted.
func (p Phone) receives(ch Channel) bool {
	return p.Kind != Forbidden && (ch == Voice || p.Kind != FixedLine)
}

func maskPhone(value string) string {
	p, err := ParsePhone(value)
	if err != nil || len(value) < 4 {
		return "***"
	}
	return "+" + p.Country + " *** **" + value[len(value)-2:]
}

// allowList is the set of regions that codes may go to.
type allowList struct {
	all     bool
	regions map[string]bool
}

// newAllowList reads ISO 3166-1 alpha-2 codes.
func newAllowList(regions []string) (allowList, error) {
	list := allowList{regions: map[string]bool{}}
	supported := phonenumbers.GetSupportedRegions()
	var faults []error
	for _, text := range regions {
		region := strings.ToUpper(strings.TrimSpace(text))
		if !supported[region] {
			faults = append(faults, fmt.Errorf("%q is not the two-letter code of a country with telephone numbers, such as DE", text))
			continue
		}
		list.regions[region] = true
	}
	return list, errors.Join(faults...)
}

func (l allowList) has(region string) bool { return l.all || l.regions[region] }

// names lists the regions, sorted.
func (l allowList) names() []string {
	out := make([]string, 0, len(l.regions))
	for r := range l.regions {
		out = append(out, r)
	}
	slices.Sort(out)
	return out
}
