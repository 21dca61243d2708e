package saml_test

import (
	"strings"
	"testing"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// forge names somebody else in a copy of an element.
func forge(t *testing.T, el *etree.Element, id string) *etree.Element {
	t.Helper()
	out := el.Copy()
	names := out.FindElements(".//NameID")
	if len(names) == 0 {
		t.Fatal("nobody is named in what is to be forged")
	}
	for _, name := range names {
		name.SetText("admin-1")
	}
	if id != "" {
		out.CreateAttr("ID", id)
	}
	return out
}

// takeSignature removes the signature of an element and returns it.
func takeSignature(t *testing.T, el *etree.Element) *etree.Element {
	t.Helper()
	sig := el.SelectElement("Signature")
	if sig == nil {
		t.Fatal("no signature to take")
	}
	el.RemoveChild(sig)
	return sig
}

// wrappings are the eight classic ways to hide a signed document in a forged
// one (Somorovsky and others, "On Breaking SAML", USENIX Security 2012, as they
// are numbered in tools for testers): the verifier is to find the signed part,
// the application the forged one.
func wrappings(t *testing.T) map[string]func(w *world, id string) string {
	t.Helper()
	response := func(wrap func(forged, original, sig *etree.Element)) func(*world, string) string {
		return func(w *world, id string) string {
			doc := parse(t, w.signedWhole(w.document()))
			original := doc.Root()
			forged := forge(t, original, id)
			takeSignature(t, forged)
			original = original.Copy()
			sig := takeSignature(t, original)
			wrap(forged, original, sig)
			out := etree.NewDocument()
			out.SetRoot(forged)
			return write(t, out)
		}
	}
	assertion := func(wrap func(root, forged, original *etree.Element)) func(*world, string) string {
		return func(w *world, id string) string {
			doc := parse(t, w.signed(w.document()))
			original := assertionOf(doc)
			doc.Root().RemoveChild(original)
			forged := forge(t, original, id)
			takeSignature(t, forged)
			wrap(doc.Root(), forged, original)
			return write(t, doc)
		}
	}
	return map[string]func(*world, string) string{
		"1 response inside the signature": response(func(forged, original, sig *etree.Element) {
			sig.AddChild(original)
			forged.InsertChildAt(1, sig)
		}),
		"2 response beside the signature": response(func(forged, original, sig *etree.Element) {
			forged.InsertChildAt(1, original)
			forged.InsertChildAt(2, sig)
		}),
		"3 forged assertion first": assertion(func(root, forged, original *etree.Element) {
			root.AddChild(forged)
			root.AddChild(original)
		}),
		"4 original inside the forged one": assertion(func(root, forged, original *etree.Element) {
			forged.AddChild(original)
			root.AddChild(forged)
		}),
		"5 signature moved to the forged one": assertion(func(root, forged, original *etree.Element) {
			forged.InsertChildAt(1, takeSignature(t, original))
			root.AddChild(forged)
			root.AddChild(original)
		}),
		"6 original inside the signature": assertion(func(root, forged, original *etree.Element) {
			sig := takeSignature(t, original)
			sig.AddChild(original)
			forged.InsertChildAt(1, sig)
			root.AddChild(forged)
		}),
		"7 forged in extensions": assertion(func(root, forged, original *etree.Element) {
			extensions := etree.NewElement("samlp:Extensions")
			extensions.AddChild(forged)
			root.InsertChildAt(1, extensions)
			root.AddChild(original)
		}),
		"8 original in an object of the signature": assertion(func(root, forged, original *etree.Element) {
			sig := takeSignature(t, original)
			object := sig.CreateElement("ds:Object")
			object.AddChild(original)
			forged.InsertChildAt(1, sig)
			root.AddChild(forged)
		}),
	}
}

// CVE-2026-33487 of goxmldsig, CVE-2022-41912 of crewjam/saml, GO-2026-4764 of
// gosaml2: what was read was not what was signed.
func TestPeer_44(t *testing.T) {
	t.Parallel()
	for name, wrap := range wrappings(t) {
		for _, id := range []string{"_forged", ""} {
			kind := map[string]string{"_forged": "an ID of its own", "": "the same ID"}[id]
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, nil)
				w.refused(wrap(w, id), federated.Malformed)
			})
		}
	}
}

func TestPeer_44_SeveralAssertions(t *testing.T) {
	t.Parallel()
	second := func(w *world) *etree.Document {
		doc := parse(t, w.document())
		other := assertionOf(doc).Copy()
		other.CreateAttr("ID", "_assertion2")
		doc.Root().AddChild(other)
		return doc
	}
	for name, make := range map[string]func(w *world) string{
		"both signed": func(w *world) string {
			doc := second(w)
			for _, el := range doc.Root().SelectElements("Assertion") {
				sign(t, w.keys.idp, el, dsig.RSASHA256SignatureMethod)
			}
			return write(t, doc)
		},
		"one signed": func(w *world) string {
			doc := second(w)
			sign(t, w.keys.idp, assertionOf(doc), dsig.RSASHA256SignatureMethod)
			return write(t, doc)
		},
		"response signed": func(w *world) string {
			doc := second(w)
			sign(t, w.keys.idp, doc.Root(), dsig.RSASHA256SignatureMethod)
			return write(t, doc)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.refused(make(w), federated.Malformed)
		})
	}
}

// What comes signed by nobody, by somebody else, or over something else.
func TestPeer_44_Signatures(t *testing.T) {
	t.Parallel()
	with := func(w *world, key signingKey, method string) string {
		doc := parse(t, w.document())
		sign(t, key, assertionOf(doc), method)
		return write(t, doc)
	}
	good := func(w *world) string { return w.signed(w.document()) }
	for name, c := range map[string]struct {
		make func(w *world) string
		want federated.Reason
	}{
		"unsigned":             {func(w *world) string { return w.document() }, federated.BadSignature},
		"foreign key":          {func(w *world) string { return with(w, w.keys.foreign, dsig.RSASHA256SignatureMethod) }, federated.BadSignature},
		"foreign elliptic key": {func(w *world) string { return with(w, w.keys.elliptic, dsig.ECDSASHA256SignatureMethod) }, federated.BadSignature},
		"SHA-1":                {func(w *world) string { return with(w, w.keys.idp, dsig.RSASHA1SignatureMethod) }, federated.WrongAlgorithm},
		"another name":         {func(w *world) string { return edit(t, good(w), "alice-17", "admin-1") }, federated.BadSignature},
		"another attribute":    {func(w *world) string { return edit(t, good(w), ">staff<", ">owner<") }, federated.BadSignature},
		"an attribute more": {func(w *world) string {
			return edit(t, good(w), "<saml:AttributeValue>staff", "<saml:AttributeValue>owner</saml:AttributeValue><saml:AttributeValue>staff")
		}, federated.BadSignature},
		"a MAC": {func(w *world) string {
			return edit(t, good(w), dsig.RSASHA256SignatureMethod, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256")
		}, federated.WrongAlgorithm},
		"no algorithm": {func(w *world) string { return edit(t, good(w), ` Algorithm="`+dsig.RSASHA256SignatureMethod+`"`, "") }, federated.WrongAlgorithm},
		"digest by SHA-1": {func(w *world) string {
			return edit(t, good(w), "http://www.w3.org/2001/04/xmlenc#sha256", "http://www.w3.org/2000/09/xmldsig#sha1")
		}, federated.WrongAlgorithm},
		"another transform": {func(w *world) string {
			return edit(t, good(w), "http://www.w3.org/2000/09/xmldsig#enveloped-signature", "http://www.w3.org/TR/1999/REC-xslt-19991116")
		}, federated.WrongAlgorithm},
		"of the whole document": {func(w *world) string { return edit(t, good(w), `URI="#_assertion"`, `URI=""`) }, federated.Malformed},
		"of another element":    {func(w *world) string { return edit(t, good(w), `URI="#_assertion"`, `URI="#_response"`) }, federated.Malformed},
		"of no ID":              {func(w *world) string { return edit(t, good(w), ` ID="_assertion"`, ``) }, federated.Malformed},
		"no value":              {func(w *world) string { return cut(t, good(w), "<ds:SignatureValue>", "</ds:SignatureValue>") }, federated.Malformed},
		"no reference":          {func(w *world) string { return cut(t, good(w), "<ds:Reference", "</ds:Reference>") }, federated.Malformed},
		"a good one of the assertion in a response signed by another": {func(w *world) string {
			doc := parse(t, good(w))
			sign(t, w.keys.foreign, doc.Root(), dsig.RSASHA256SignatureMethod)
			return write(t, doc)
		}, federated.BadSignature},
		"a bad one of the assertion in a response that is signed": {func(w *world) string {
			doc := parse(t, with(w, w.keys.foreign, dsig.RSASHA256SignatureMethod))
			sign(t, w.keys.idp, doc.Root(), dsig.RSASHA256SignatureMethod)
			return write(t, doc)
		}, federated.BadSignature},
		"signed response without destination": {func(w *world) string {
			return w.signedWhole(edit(t, w.document(), ` Destination="`+ourACS+`"`, ``))
		}, federated.WrongDestination},
		"two signatures": {func(w *world) string {
			doc := parse(t, good(w))
			sign(t, w.keys.foreign, assertionOf(doc), dsig.RSASHA256SignatureMethod)
			return write(t, doc)
		}, federated.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.refused(c.make(w), c.want)
		})
	}
}

// cut removes a part of a text with both its ends.
func cut(t *testing.T, text, from, to string) string {
	t.Helper()
	start, end := strings.Index(text, from), strings.Index(text, to)
	if start < 0 || end < start {
		t.Fatalf("no %s in the text", from)
	}
	return text[:start] + text[end+len(to):]
}

// A certificate that is over does not count, even if it is configured.
func TestFormerKeyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.cfg.IDP.Certificates = nil
	doc := parse(t, w.document())
	sign(t, w.keys.former, assertionOf(doc), dsig.RSASHA256SignatureMethod)
	w.refused(write(t, doc), federated.BadSignature)
}

// Documents that two readers take in two ways, though the provider signed them:
// CVE-2018-7340 and its kin cut a name at a comment.
func TestPeer_44_AmbiguousDocuments(t *testing.T) {
	t.Parallel()
	const name = ">alice-17<"
	for what, c := range map[string]struct {
		change func(text string) string
		whole  bool // edit after signing
	}{
		"comment in the name":      {func(s string) string { return edit(t, s, name, "><!--x-->alice-17<") }, false},
		"comment behind the name":  {func(s string) string { return edit(t, s, name, ">alice-17<!---->.evil.example<") }, false},
		"comment after signing":    {func(s string) string { return edit(t, s, name, ">alice<!-- -->-17<") }, true},
		"comment in an attribute":  {func(s string) string { return edit(t, s, ">staff<", ">st<!-- -->aff<") }, false},
		"processing instruction":   {func(s string) string { return edit(t, s, name, ">alice-17<?x y?><") }, false},
		"document type":            {func(s string) string { return `<!DOCTYPE x [<!ENTITY a "admin-1">]>` + s }, true},
		"entity":                   {func(s string) string { return edit(t, s, name, ">&xxe;<") }, true},
		"ID twice":                 {func(s string) string { return edit(t, s, `ID="_assertion"`, `ID="_response"`) }, false},
		"text behind the root":     {func(s string) string { return s + "x" }, true},
		"second root":              {func(s string) string { return s + "<x/>" }, true},
		"colon in a name":          {func(s string) string { return edit(t, s, "<saml:NameID ", `<saml:NameID x::y="" `) }, true},
		"prefix that is not there": {func(s string) string { return edit(t, s, "<saml:Conditions ", `<saml:Conditions u:x="" `) }, true},
		"deep": {func(s string) string {
			return edit(t, s, name, ">"+strings.Repeat("<x>", 60)+strings.Repeat("</x>", 60)+"alice-17<")
		}, true},
		"ten thousand elements": {func(s string) string { return edit(t, s, name, ">"+strings.Repeat("<x/>", 10000)+"alice-17<") }, true},
		"assertion of another space": {func(s string) string {
			return edit(t, s, `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"`, `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion"`)
		}, false},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			text := w.document()
			if !c.whole {
				text = c.change(text)
			}
			text = w.signed(text)
			if c.whole {
				text = c.change(text)
			}
			if _, err := w.finish(text); err == nil {
				t.Fatal("Finish took a document that readers take differently")
			}
			if len(w.replays.seen) != 0 {
				t.Error("what was refused was remembered")
			}
		})
	}
}

// CDATA is another way to write the same text, for every reader.
func TestCharacterDataIsText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.accepted(w.signed(edit(t, w.document(), ">alice-17<", "><![CDATA[alice-17]]><")))
}

// Single logout is not offered: a message about it is no response, signed or
// not.
func TestPeer_44_Logout(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"LogoutRequest", "LogoutResponse"} {
		for _, signed := range []bool{false, true} {
			w := newWorld(t, nil)
			text := `<samlp:` + kind + ` xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"` +
				` ID="_logout" Version="2.0" IssueInstant="` + stamp(noon()) + `" Destination="` + ourACS + `" InResponseTo="` + w.request + `">` +
				`<saml:Issuer>` + idpEntity + `</saml:Issuer>` +
				`<saml:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">alice-17</saml:NameID></samlp:` + kind + `>`
			if signed {
				text = w.signedWhole(text)
			}
			w.refused(text, federated.Malformed)
		}
	}
}
