package saml

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	crewjam "github.com/crewjam/saml"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// mailAttributes and nameAttributes are the usual Names (eduPerson, LDAP over
// SAML, Microsoft), tried in order.
func mailAttributes() []string {
	return []string{
		"urn:oid:0.9.2342.19200300.100.1.3",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
		"mail", "email", "emailAddress",
	}
}

func nameAttributes() []string {
	return []string{
		"urn:oid:2.16.840.1.113730.3.1.241",
		"http://schemas.microsoft.com/identity/claims/displayname",
		"displayName", "urn:oid:2.5.4.3", "cn", "name",
	}
}

// identity says who the assertion is about.
func (v verdict) identity(a assertion) (federated.Identity, error) {
	byName, all := attributes(a)
	id, err := v.subjectOf(a.Subject.NameID, byName)
	if err != nil {
		return federated.Identity{}, err
	}
	login := a.Logins[0]
	who := federated.Identity{
		Issuer: v.idp.id, Subject: id,
		AuthTime: login.At.Time, ACR: strings.TrimSpace(login.Context.Class),
		Email:      firstOf(all, v.cfg.EmailAttribute, mailAttributes()),
		Name:       firstOf(all, v.cfg.NameAttribute, nameAttributes()),
		Attributes: all,
	}
	// SAML has no word for an address that was verified: whether that of this
	// provider counts is what trust_email says.
	who.EmailVerified = who.Email != ""
	if who.Name == "" {
		who.Name = who.Email
	}
	return who, nil
}

// subjectOf returns what names the person for good: one value of the configured
// attribute, else a persistent NameID. One that is transient, an e-mail address
// or unspecified may be another person's tomorrow.
func (v verdict) subjectOf(n *nameID, byName map[string][]string) (string, error) {
	if name := v.cfg.SubjectAttribute; name != "" {
		values := byName[name]
		if len(values) != 1 || values[0] == "" {
			return "", federated.Refuse(federated.NoSubject, fmt.Sprintf("%d values of the attribute %q", len(values), name), nil)
		}
		return values[0], nil
	}
	switch {
	case n == nil || strings.TrimSpace(n.Value) == "":
		return "", federated.Refuse(federated.NoSubject, "no NameID", nil)
	case n.Format != string(crewjam.PersistentNameIDFormat):
		return "", federated.Refuse(federated.NoSubject, fmt.Sprintf("a NameID of the format %.100q; only persistent ones last (or set subject_attribute)", n.Format), nil)
	case n.NameQualifier != "" && n.NameQualifier != v.idp.id, n.SPNameQualifier != "" && n.SPNameQualifier != v.cfg.EntityID:
		// Core section 8.3.7: it is a name among those of others.
		return "", federated.Refuse(federated.NoSubject, "a NameID that is qualified for others", nil)
	}
	return n.Value, nil
}

// attributes returns the values by Name, and the same with FriendlyNames added
// where they name nothing else: those are for people, so they never decide.
func attributes(a assertion) (byName, all map[string][]string) {
	byName, all = map[string][]string{}, map[string][]string{}
	friendly := map[string][]string{}
	for _, statement := range a.Attributes {
		for _, attr := range statement.Attributes {
			values := make([]string, 0, len(attr.Values))
			for _, v := range attr.Values {
				values = append(values, v.value())
			}
			byName[attr.Name] = append(byName[attr.Name], values...)
			if attr.FriendlyName != "" {
				friendly[attr.FriendlyName] = append(friendly[attr.FriendlyName], values...)
			}
		}
	}
	maps.Copy(all, friendly)
	for name, values := range byName {
		all[name] = slices.Clone(values)
	}
	return byName, all
}

// firstOf returns the first value of the attribute that is set, or of the usual
// ones.
func firstOf(all map[string][]string, set string, usual []string) string {
	if set != "" {
		usual = []string{set}
	}
	for _, name := range usual {
		for _, value := range all[name] {
			if value != "" {
				return value
			}
		}
	}
	return ""
}
