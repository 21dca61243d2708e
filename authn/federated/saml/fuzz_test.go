package saml_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
)

// FuzzResponse: no document makes the parser panic, every refusal has a reason,
// and whoever is let in is whom the provider signed for.
func FuzzResponse(f *testing.F) {
	w := newWorld(f, nil)
	f.Add([]byte(w.signed(w.document())))
	f.Add([]byte(w.signedWhole(w.document())))
	f.Add([]byte(w.document()))
	f.Add([]byte(w.encrypted(w.signed(w.document()), nil)))
	f.Add([]byte(`<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>`))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		w.replays.forget()
		who, err := w.finish(string(text))
		if err == nil && (who.Subject != "alice-17" || who.Issuer != idpEntity) {
			t.Fatalf("Finish(%q) = %+v, whom nobody signed for", text, who)
		}
		if _, ok := federated.ReasonOf(err); err != nil && !ok {
			t.Fatalf("Finish(%q) = %v, which has no reason", text, err)
		}
	})
}

// FuzzMetadata: no metadata make the parser panic.
func FuzzMetadata(f *testing.F) {
	w := newWorld(f, nil)
	f.Add([]byte(idpMetadata(w.keys)))
	f.Add([]byte(`<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + idpMetadata(w.keys) + `</md:EntitiesDescriptor>`))
	f.Add([]byte(`<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="x"/>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg := w.cfg
		cfg.IDP = saml.IDP{Metadata: text}
		p, err := saml.New(cfg)
		if err == nil && p == nil {
			t.Fatal("neither a provider nor an error")
		}
	})
}
