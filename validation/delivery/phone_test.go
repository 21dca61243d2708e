package delivery_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

func TestParsePhone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, country, region string
		kind                  delivery.LineKind
	}{
		{"+15125550100", "1", "US", delivery.EitherLine},
		{"+4915112345678", "49", "DE", delivery.Mobile},
		{"+4930123456", "49", "DE", delivery.FixedLine},
		{"+447911123456", "44", "GG", delivery.Mobile}, // Guernsey
		{"+447400123456", "44", "GB", delivery.Mobile},
		{"+390612345678", "39", "IT", delivery.FixedLine}, // the zero belongs to the number
		{"+18765551234", "1", "JM", delivery.Mobile},
		{"+18002530000", "1", "US", delivery.TollFree},
		// Security rule 2.4: never.
		{"+19002345678", "1", "US", delivery.Forbidden},   // premium rate
		{"+441804000000", "44", "", delivery.Forbidden},   // nobody's
		{"+448456400000", "44", "GB", delivery.Forbidden}, // shared cost
		{"+447012345678", "44", "GB", delivery.Forbidden}, // personal number
		{"+447640123456", "44", "GB", delivery.Forbidden}, // pager
		{"+870773111632", "870", "", delivery.Forbidden},  // Inmarsat
		{"+881631234567", "881", "", delivery.Forbidden},  // Iridium
		{"+882161234567", "882", "", delivery.Forbidden},  // Thuraya
		{"+883510012345", "883", "", delivery.Forbidden},  // international networks
		{"+80012345678", "800", "", delivery.Forbidden},   // international freephone
		{"+979123456789", "979", "", delivery.Forbidden},  // international premium rate
	} {
		got, err := delivery.ParsePhone(c.text)
		if err != nil {
			t.Errorf("ParsePhone(%q): %v", c.text, err)
			continue
		}
		if got.E164 != c.text || got.Country != c.country || got.Kind != c.kind || c.region != "" && got.Region != c.region {
			t.Errorf("ParsePhone(%q) = %+v, want country %s, region %s, %s", c.text, got, c.country, c.region, c.kind)
		}
	}
	for rule, text := range map[string]string{
		"empty": "", "no plus": "15125550100", "blank": "+1 5125550100", "punctuation": "+1-512-555-0100", "national prefix": "+49015112345678",
		"two zeros": "0015125550100", "tel URI": "tel:+15125550100", "extension": "+15125550100;ext=1", "letters": "+1512CALLNOW",
		"full-width digits": "+１5125550100", "16 digits": "+1512555010012345", "too short": "+12345", "no such code": "+99912345678",
		"trailing line break": "+15125550100\n", "leading blank": " +15125550100", "plus alone": "+", "two pluses": "++15125550100",
		"zero first": "+05125550100", "full-width plus": "＋15125550100",
	} {
		if got, err := delivery.ParsePhone(text); !errors.Is(err, delivery.ErrNumber) {
			t.Errorf("%s: ParsePhone(%q) = %+v, %v, want ErrNumber", rule, text, got, err)
		}
	}
}

func FuzzParsePhone(f *testing.F) {
	for _, seed := range []string{"+15125550100", "+4930123456", "+870773111632", "+", "015", "+１", "+1;ext=2", strings.Repeat("9", 40)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := delivery.ParsePhone(text)
		if err != nil {
			if !errors.Is(err, delivery.ErrNumber) || p != (delivery.Phone{}) {
				t.Fatalf("ParsePhone(%q) = %+v, %v", text, p, err)
			}
			return
		}
		if p.E164 != text || !strings.HasPrefix(text, "+"+p.Country) || p.Kind == "" {
			t.Errorf("ParsePhone(%q) = %+v", text, p)
		}
		if p.Region == "" && p.Kind != delivery.Forbidden {
			t.Errorf("ParsePhone(%q) = %+v: a number of no country is not forbidden", text, p)
		}
		if masked := delivery.Mask(delivery.SMS, text); strings.Contains(masked, text[len(text)/2:len(text)-1]) && len(text) > 8 {
			t.Errorf("Mask(%q) = %q shows too much", text, masked)
		}
	})
}
