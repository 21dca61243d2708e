package saml_test

import (
	"crypto/x509"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
)

func TestFinishSaysWhoItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	got := w.accepted(w.signed(w.document()))
	want := federated.Identity{
		Issuer: idpEntity, Subject: "alice-17", AuthTime: noon().Add(-10 * time.Second),
		ACR:   "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
		Email: "alice@corp.example", EmailVerified: true, Name: "alice@corp.example",
		Attributes: map[string][]string{
			"urn:oid:0.9.2342.19200300.100.1.3": {"alice@corp.example"}, "mail": {"alice@corp.example"},
			"uid": {"alice"}, "groups": {"staff", "admins"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

func TestFinishTakesEitherSignature(t *testing.T) {
	t.Parallel()
	both := func(w *world) string {
		doc := parse(t, w.signed(w.document()))
		sign(t, w.keys.idp, doc.Root(), dsig.RSASHA512SignatureMethod)
		return write(t, doc)
	}
	for name, make := range map[string]func(*world) string{
		"assertion": func(w *world) string { return w.signed(w.document()) },
		"response":  func(w *world) string { return w.signedWhole(w.document()) },
		"both":      both,
		"neither needs the other": func(w *world) string {
			return edit(t, w.signed(w.document()), ` Destination="`+ourACS+`"`, ``)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.accepted(make(w))
		})
	}
}

func TestFinishTakesAnyKeyOfTheProvider(t *testing.T) {
	t.Parallel()
	k := makeKeys()
	w := newWorld(t, func(c *saml.Config) {
		c.IDP.Certificates = []*x509.Certificate{k.former.certificate, k.idp.certificate, k.elliptic.certificate}
	})
	doc := parse(t, w.document())
	sign(t, k.elliptic, assertionOf(doc), dsig.ECDSASHA256SignatureMethod)
	w.accepted(write(t, doc))
}

// CVE-2026-9093, -9096, -9098 of Casdoor: audience, time bounds and InResponseTo
// were not checked. Each is wrong or missing in turn, in a document that is
// signed all the same.
func TestPeer_34(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) string { return stamp(noon().Add(d)) }
	const audience = `<saml:Audience>` + ourEntity + `</saml:Audience>`
	recipient, end := ` Recipient="`+ourACS+`"`, ` NotOnOrAfter="`+at(5*time.Minute)+`"`
	for name, c := range map[string]struct {
		old, with string
		want      federated.Reason
	}{
		"audience of another":      {audience, `<saml:Audience>https://other.example</saml:Audience>`, federated.WrongAudience},
		"audience is a prefix":     {audience, `<saml:Audience>https://login.example/federation/corp</saml:Audience>`, federated.WrongAudience},
		"no audience":              {`<saml:AudienceRestriction>` + audience + `</saml:AudienceRestriction>`, ``, federated.WrongAudience},
		"empty restriction":        {audience, ``, federated.WrongAudience},
		"second restriction fails": {`</saml:AudienceRestriction>`, `</saml:AudienceRestriction><saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>`, federated.WrongAudience},
		"over":                     {end, ` NotOnOrAfter="` + at(-time.Hour) + `"`, federated.Expired},
		"no end":                   {end, ``, federated.Expired},
		"not yet":                  {` NotBefore="` + at(-time.Minute) + `"`, ` NotBefore="` + at(time.Hour) + `"`, federated.Expired},
		"no conditions": {
			`<saml:Conditions NotBefore="` + at(-time.Minute) + `"` + end + `><saml:AudienceRestriction>` + audience + `</saml:AudienceRestriction></saml:Conditions>`, ``, federated.Expired,
		},
		"issued long ago":           {` IssueInstant="` + at(0) + `"`, ` IssueInstant="` + at(-10*time.Minute) + `"`, federated.Expired},
		"issued tomorrow":           {` IssueInstant="` + at(0) + `"`, ` IssueInstant="` + at(24*time.Hour) + `"`, federated.Expired},
		"not issued":                {` IssueInstant="` + at(0) + `"`, ``, federated.Expired},
		"recipient of another":      {recipient, ` Recipient="https://other.example/acs"`, federated.WrongDestination},
		"no recipient":              {recipient, ``, federated.WrongDestination},
		"destination of another":    {` Destination="` + ourACS + `"`, ` Destination="https://other.example/acs"`, federated.WrongDestination},
		"issuer is another":         {`<saml:Issuer>` + idpEntity, `<saml:Issuer>https://evil.example`, federated.WrongIssuer},
		"login in the future":       {` AuthnInstant="` + at(-10*time.Second) + `"`, ` AuthnInstant="` + at(time.Hour) + `"`, federated.Expired},
		"session over":              {`<saml:AuthnStatement `, `<saml:AuthnStatement SessionNotOnOrAfter="` + at(-time.Hour) + `" `, federated.Expired},
		"confirmation by a key":     {`cm:bearer`, `cm:holder-of-key`, federated.Malformed},
		"condition not understood":  {`<saml:AudienceRestriction>`, `<x:Moon xmlns:x="urn:x"/><saml:AudienceRestriction>`, federated.Malformed},
		"version 1.1":               {`Version="2.0"`, `Version="1.1"`, federated.Malformed},
		"no time":                   {` NotOnOrAfter="` + at(5*time.Minute) + `"`, ` NotOnOrAfter="soon"`, federated.Malformed},
		"name that does not last":   {`nameid-format:persistent`, `nameid-format:transient`, federated.NoSubject},
		"name of another directory": {`<saml:NameID `, `<saml:NameID NameQualifier="https://other.example" `, federated.NoSubject},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.refused(w.signed(edit(t, w.document(), c.old, c.with)), c.want)
		})
	}
}

// The same row, InResponseTo: of the response and of the confirmation, each
// wrong and missing alone.
func TestPeer_34_InResponseTo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, with string // %: the id of the request
		want     federated.Reason
	}{
		"response wrong":       {`Destination="` + ourACS + `" InResponseTo="%"`, `Destination="` + ourACS + `" InResponseTo="_other"`, federated.WrongNonce},
		"response missing":     {`Destination="` + ourACS + `" InResponseTo="%"`, `Destination="` + ourACS + `"`, federated.NotAsked},
		"confirmation wrong":   {`Data InResponseTo="%"`, `Data InResponseTo="_other"`, federated.WrongNonce},
		"confirmation missing": {`Data InResponseTo="%"`, `Data`, federated.NotAsked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			text := edit(t, w.document(), strings.ReplaceAll(c.in, "%", w.request), c.with)
			w.refused(w.signed(text), c.want)
		})
	}
	t.Run("of another request of ours", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		text := w.signed(w.document())
		w.begin(federated.Request{State: "second"})
		w.refused(text, federated.WrongNonce)
	})
}

// What applies is the skew of the settings, 60 seconds, not the 180 of the
// library; it counts to the second on either side.
func TestClockSkew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		skew, off time.Duration
		accepted  bool
	}{
		"60 s late":            {saml.DefaultSkew, 60 * time.Second, true},
		"61 s late":            {saml.DefaultSkew, 61 * time.Second, false},
		"0 s late, no skew":    {0, 0, true},
		"1 s late, no skew":    {0, time.Second, false},
		"180 s late, 180 skew": {saml.MaxSkew, 180 * time.Second, true},
		"181 s late, 180 skew": {saml.MaxSkew, 181 * time.Second, false},
	} {
		for _, bound := range []string{"conditions", "confirmation"} {
			t.Run(name+" "+bound, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, func(cfg *saml.Config) { cfg.Skew = c.skew })
				good, over := ` NotOnOrAfter="`+stamp(noon().Add(5*time.Minute))+`"`, ` NotOnOrAfter="`+stamp(noon().Add(-c.off))+`"`
				old, with := `Recipient="`+ourACS+`"`+good, `Recipient="`+ourACS+`"`+over
				if bound == "conditions" {
					before := `NotBefore="` + stamp(noon().Add(-time.Minute)) + `"`
					old, with = before+good, `NotBefore="`+stamp(noon().Add(-time.Hour))+`"`+over
				}
				text := w.signed(edit(t, w.document(), old, with))
				if c.accepted {
					w.accepted(text)
					return
				}
				w.refused(text, federated.Expired)
			})
		}
	}
}

func TestClockSkewBeforehand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead    time.Duration
		accepted bool
	}{{60 * time.Second, true}, {61 * time.Second, false}} {
		for _, attribute := range []string{"IssueInstant", "NotBefore"} {
			t.Run(attribute+" "+c.ahead.String(), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				old := map[string]time.Time{"IssueInstant": noon(), "NotBefore": noon().Add(-time.Minute)}[attribute]
				text := edit(t, w.document(), attribute+`="`+stamp(old)+`"`, attribute+`="`+stamp(noon().Add(c.ahead))+`"`)
				if c.accepted {
					w.accepted(w.signed(text))
					return
				}
				w.refused(w.signed(text), federated.Expired)
			})
		}
	}
}

// The issue delay is 90 seconds, and the skew is not added to it.
func TestIssueDelay(t *testing.T) {
	t.Parallel()
	for after, accepted := range map[time.Duration]bool{90 * time.Second: true, 91 * time.Second: false} {
		w := newWorld(t, nil)
		text := w.signed(w.document())
		w.now = noon().Add(after)
		if accepted {
			w.accepted(text)
		} else {
			w.refused(text, federated.Expired)
		}
	}
}

func TestAssertionCountsOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	text := w.signed(w.document())
	w.accepted(text)
	// The same assertion in another envelope is the same assertion.
	for _, again := range []string{text, edit(t, text, `ID="_response"`, `ID="_response2"`)} {
		if _, err := w.finish(again); err == nil {
			t.Fatal("Finish took an assertion twice")
		} else if got, _ := federated.ReasonOf(err); got != federated.Replayed {
			t.Errorf("Finish = %v, want %s", err, federated.Replayed)
		}
	}
	// It is remembered for as long as it could count.
	if want := noon().Add(5*time.Minute + saml.DefaultSkew); !w.replays.until.After(want) {
		t.Errorf("remembered until %v, want more than %v", w.replays.until, want)
	}
}

func TestUnsolicited(t *testing.T) {
	t.Parallel()
	unsolicited := func(w *world) string {
		text := edit(t, w.document(), ` InResponseTo="`+w.request+`"`, ``)
		return w.signed(text)
	}
	t.Run("off by default", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		_, err := w.p.FinishUnsolicited(t.Context(), answer(unsolicited(w)))
		if got, _ := federated.ReasonOf(err); got != federated.NotAsked {
			t.Errorf("FinishUnsolicited = %v, want %s", err, federated.NotAsked)
		}
	})
	t.Run("allowed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *saml.Config) { c.AllowUnsolicited = true })
		text := unsolicited(w)
		who, err := w.p.FinishUnsolicited(t.Context(), answer(text))
		if err != nil || who.Subject != "alice-17" {
			t.Fatalf("FinishUnsolicited = %+v, %v", who, err)
		}
		_, err = w.p.FinishUnsolicited(t.Context(), answer(text))
		if got, _ := federated.ReasonOf(err); got != federated.Replayed {
			t.Errorf("again = %v, want %s", err, federated.Replayed)
		}
	})
	t.Run("an answer to a request is none", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(c *saml.Config) { c.AllowUnsolicited = true })
		_, err := w.p.FinishUnsolicited(t.Context(), answer(w.signed(w.document())))
		if got, _ := federated.ReasonOf(err); got != federated.WrongNonce {
			t.Errorf("FinishUnsolicited = %v, want %s", err, federated.WrongNonce)
		}
	})
}

func TestFreshLogin(t *testing.T) {
	t.Parallel()
	minute := time.Minute
	for name, c := range map[string]struct {
		r    federated.Request
		ago  time.Duration
		want federated.Reason
	}{
		"forced, old":           {federated.Request{Fresh: true}, 10 * time.Minute, federated.Stale},
		"forced, new":           {federated.Request{Fresh: true}, 10 * time.Second, ""},
		"a minute, two and 1 s": {federated.Request{MaxAge: &minute}, 2*time.Minute + time.Second, federated.Stale},
		"a minute, two":         {federated.Request{MaxAge: &minute}, 2 * time.Minute, ""},
		"any":                   {federated.Request{}, 8 * time.Hour, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.begin(c.r)
			text := w.signed(edit(t, w.document(), `AuthnInstant="`+stamp(noon().Add(-10*time.Second)), `AuthnInstant="`+stamp(noon().Add(-c.ago))))
			if c.want == "" {
				w.accepted(text)
				return
			}
			w.refused(text, c.want)
		})
	}
}

func TestSubjectAttribute(t *testing.T) {
	t.Parallel()
	const uid = `<saml:Attribute Name="uid"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute>`
	for name, c := range map[string]struct {
		with string
		want string
	}{
		"one value":                {uid, "alice"},
		"none":                     {``, ""},
		"two values":               {`<saml:Attribute Name="uid"><saml:AttributeValue>a</saml:AttributeValue><saml:AttributeValue>b</saml:AttributeValue></saml:Attribute>`, ""},
		"empty":                    {`<saml:Attribute Name="uid"><saml:AttributeValue> </saml:AttributeValue></saml:Attribute>`, ""},
		"only by its other name":   {`<saml:Attribute Name="x" FriendlyName="uid"><saml:AttributeValue>alice</saml:AttributeValue></saml:Attribute>`, ""},
		"the other name beside it": {uid + `<saml:Attribute Name="x" FriendlyName="uid"><saml:AttributeValue>eve</saml:AttributeValue></saml:Attribute>`, "alice"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(cfg *saml.Config) { cfg.SubjectAttribute = "uid" })
			text := edit(t, w.document(), uid, c.with)
			text = edit(t, text, "nameid-format:persistent", "nameid-format:transient")
			if c.want == "" {
				w.refused(w.signed(text), federated.NoSubject)
				return
			}
			who, err := w.finish(w.signed(text))
			if err != nil || who.Subject != c.want {
				t.Errorf("Finish = %q, %v, want %q", who.Subject, err, c.want)
			}
			if diff := cmp.Diff([]string{c.want}, who.Attributes["uid"]); diff != "" {
				t.Errorf("uid (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	const success = `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`
	code := func(outer, inner string) string {
		return `<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:` + outer + `"><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:` + inner + `"/></samlp:StatusCode>`
	}
	for name, c := range map[string]struct {
		with string
		want federated.Reason
	}{
		"wrong password":           {code("Responder", "AuthnFailed"), federated.Denied},
		"no such context":          {code("Requester", "NoAuthnContext"), federated.Denied},
		"request not understood":   {code("Requester", "RequestUnsupported"), federated.Refused},
		"server there has a fault": {code("Responder", "PartialLogout"), federated.Denied},
		"made up":                  {`<samlp:StatusCode Value="urn:x"/>`, federated.Malformed},
		"none":                     {``, federated.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			text := edit(t, w.document(), success, c.with)
			w.refused(w.signed(text), c.want)
			// As providers send it: without an assertion, and not signed.
			start, end := strings.Index(text, "<saml:Assertion"), strings.Index(text, "</samlp:Response>")
			w.refused(text[:start]+text[end:], c.want)
		})
	}
}

func TestAnswerMustBeAPost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good := answer(w.signed(w.document()))
	for name, change := range map[string]func(*federated.Answer){
		"in a query":    func(a *federated.Answer) { a.Posted = false },
		"an artifact":   func(a *federated.Answer) { a.Params = url.Values{"SAMLart": {"AAQAAM"}} },
		"nothing":       func(a *federated.Answer) { a.Params = nil },
		"two responses": func(a *federated.Answer) { a.Params = url.Values{"SAMLResponse": {"PHg+", "PHg+"}} },
		"no base64":     func(a *federated.Answer) { a.Params = url.Values{"SAMLResponse": {"<x>"}} },
		"too large":     func(a *federated.Answer) { a.Params = url.Values{"SAMLResponse": {strings.Repeat("A", 2<<20)}} },
		"not XML": func(a *federated.Answer) {
			a.Params = url.Values{"SAMLResponse": {base64.StdEncoding.EncodeToString([]byte("{}"))}}
		},
		"compressed XML": func(a *federated.Answer) { a.Params = url.Values{"SAMLResponse": {"eJyzyc1MLQIAB+oCmQ=="}} },
	} {
		a := good
		change(&a)
		if _, err := w.p.Finish(t.Context(), w.private, a); err == nil {
			t.Errorf("%s: taken", name)
		} else if got, _ := federated.ReasonOf(err); got != federated.Malformed {
			t.Errorf("%s: %v, want %s", name, err, federated.Malformed)
		}
	}
	if _, err := w.p.Finish(t.Context(), []byte("{}"), good); err == nil {
		t.Error("private data of nothing: taken")
	}
	if _, err := w.p.Finish(t.Context(), w.private, good); err != nil {
		t.Errorf("the good one: %v", err)
	}
}
