package saml

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Only what is read of the messages is here: a struct cannot read what it has no
// field for, and the library's has room for one audience only.

// instant is an xs:dateTime; SAML has them in UTC (Core section 1.3.3).
type instant struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *instant) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(layout, string(text)); err == nil {
			i.Time = t.UTC()
			return nil
		}
	}
	return fmt.Errorf("%.40q is no time", text)
}

type issuer struct {
	Format string `xml:",attr"`
	Value  string `xml:",chardata"`
}

// entityFormat is the Format of an issuer, which may be left out (Core section
// 8.3.6).
const entityFormat = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"

// is tells whether an issuer is that entity.
func (i *issuer) is(entityID string) bool {
	return i != nil && i.Value == entityID && (i.Format == "" || i.Format == entityFormat)
}

type response struct {
	XMLName      xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol Response"`
	ID           string   `xml:",attr"`
	Version      string   `xml:",attr"`
	IssueInstant instant  `xml:",attr"`
	InResponseTo string   `xml:",attr"`
	Destination  string   `xml:",attr"`
	Issuer       *issuer  `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Status       status   `xml:"urn:oasis:names:tc:SAML:2.0:protocol Status"`
}

type status struct {
	Code    statusCode `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusCode"`
	Message string     `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusMessage"`
}

type statusCode struct {
	Value string      `xml:",attr"`
	Inner *statusCode `xml:"urn:oasis:names:tc:SAML:2.0:protocol StatusCode"`
}

type assertion struct {
	XMLName      xml.Name             `xml:"urn:oasis:names:tc:SAML:2.0:assertion Assertion"`
	ID           string               `xml:",attr"`
	Version      string               `xml:",attr"`
	IssueInstant instant              `xml:",attr"`
	Issuer       *issuer              `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Subject      *subject             `xml:"urn:oasis:names:tc:SAML:2.0:assertion Subject"`
	Conditions   *conditions          `xml:"urn:oasis:names:tc:SAML:2.0:assertion Conditions"`
	Logins       []authnStatement     `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnStatement"`
	Attributes   []attributeStatement `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeStatement"`
}

type subject struct {
	NameID        *nameID        `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
	Confirmations []confirmation `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmation"`
}

type nameID struct {
	Format          string `xml:",attr"`
	NameQualifier   string `xml:",attr"`
	SPNameQualifier string `xml:",attr"`
	Value           string `xml:",chardata"`
}

type confirmation struct {
	Method string            `xml:",attr"`
	Data   *confirmationData `xml:"urn:oasis:names:tc:SAML:2.0:assertion SubjectConfirmationData"`
}

type confirmationData struct {
	NotBefore    *instant `xml:",attr"`
	NotOnOrAfter *instant `xml:",attr"`
	Recipient    string   `xml:",attr"`
	InResponseTo string   `xml:",attr"`
}

type conditions struct {
	NotBefore    *instant      `xml:",attr"`
	NotOnOrAfter *instant      `xml:",attr"`
	Audiences    []restriction `xml:"urn:oasis:names:tc:SAML:2.0:assertion AudienceRestriction"`
	OneTimeUse   []struct{}    `xml:"urn:oasis:names:tc:SAML:2.0:assertion OneTimeUse"`
	Proxies      []struct{}    `xml:"urn:oasis:names:tc:SAML:2.0:assertion ProxyRestriction"`
	Others       []anyElement  `xml:",any"`
}

type restriction struct {
	Audiences []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion Audience"`
}

type anyElement struct{ XMLName xml.Name }

type authnStatement struct {
	At      instant  `xml:"AuthnInstant,attr"`
	Until   *instant `xml:"SessionNotOnOrAfter,attr"`
	Context struct {
		Class string `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnContextClassRef"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnContext"`
}

type attributeStatement struct {
	Attributes []attribute `xml:"urn:oasis:names:tc:SAML:2.0:assertion Attribute"`
}

type attribute struct {
	Name         string           `xml:",attr"`
	FriendlyName string           `xml:",attr"`
	Values       []attributeValue `xml:"urn:oasis:names:tc:SAML:2.0:assertion AttributeValue"`
}

type attributeValue struct {
	Text   string  `xml:",chardata"`
	NameID *nameID `xml:"urn:oasis:names:tc:SAML:2.0:assertion NameID"`
}

// value is the text, or the name inside (eduPersonTargetedID).
func (v attributeValue) value() string {
	if v.NameID != nil {
		return strings.TrimSpace(v.NameID.Value)
	}
	return strings.TrimSpace(v.Text)
}
