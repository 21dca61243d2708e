package saml_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/beevik/etree"
	"github.com/crewjam/saml/xmlenc"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
)

// encrypted replaces the assertion of a document by an encrypted one. method
// nil: RSA-OAEP and AES-256-CBC.
func (w *world) encrypted(text string, method xmlenc.Encrypter) string {
	w.t.Helper()
	if method == nil {
		method = oaep(xmlenc.AES256CBC)
	}
	return w.encryptedBy(text, method)
}

// oaep is what the library's own identity provider uses.
func oaep(block xmlenc.BlockCipher) xmlenc.Encrypter {
	method := xmlenc.OAEP()
	method.BlockCipher, method.DigestMethod = block, &xmlenc.SHA1
	return method
}

// encrypter encrypts for the key of a certificate.
type encrypter interface {
	Encrypt(certificate any, text, nonce []byte) (*etree.Element, error)
}

func (w *world) encryptedBy(text string, method encrypter) string {
	w.t.Helper()
	doc := parse(w.t, text)
	el := assertionOf(doc)
	inner := etree.NewDocument()
	inner.SetRoot(el.Copy())
	data, err := method.Encrypt(w.keys.ours.Certificate(), []byte(write(w.t, inner)), nil)
	if err != nil {
		w.t.Fatalf("encrypt: %v", err)
	}
	data.CreateAttr("Type", "http://www.w3.org/2001/04/xmlenc#Element")
	at := el.Index()
	doc.Root().RemoveChild(el)
	outer := etree.NewElement("saml:EncryptedAssertion")
	outer.AddChild(data)
	doc.Root().InsertChildAt(at, outer)
	return write(w.t, doc)
}

// standard encrypts as the newer standards say, which the library does not.
type standard struct {
	cipher, key, digest, mask string
	options                   rsa.OAEPOptions
	size                      int
}

func (s standard) Encrypt(certificate any, text, _ []byte) (*etree.Element, error) {
	public, ok := certificate.(*x509.Certificate).PublicKey.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New("not an RSA key")
	}
	secret := make([]byte, s.size)
	_, _ = rand.Read(secret)
	wrapped, err := rsa.EncryptOAEPWithOptions(rand.Reader, public, secret, &s.options)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce)
	sealed := aead.Seal(nonce, nonce, text, nil)
	doc := etree.NewDocument()
	err = doc.ReadFromString(`<xenc:EncryptedData xmlns:xenc="http://www.w3.org/2001/04/xmlenc#" xmlns:ds="http://www.w3.org/2000/09/xmldsig#">` +
		`<xenc:EncryptionMethod Algorithm="` + s.cipher + `"/>` +
		`<ds:KeyInfo><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm="` + s.key + `">` + s.digest + s.mask + `</xenc:EncryptionMethod>` +
		`<xenc:CipherData><xenc:CipherValue>` + base64.StdEncoding.EncodeToString(wrapped) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo>` +
		`<xenc:CipherData><xenc:CipherValue>` + base64.StdEncoding.EncodeToString(sealed) + `</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>`)
	return doc.Root(), err
}

func TestEncryptedByTheStandard(t *testing.T) {
	t.Parallel()
	const (
		older  = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p"
		newer  = "http://www.w3.org/2009/xmlenc11#rsa-oaep"
		digest = `<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>`
		mask   = `<xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"/>`
	)
	for name, method := range map[string]standard{
		"AES-128-GCM, OAEP": {"http://www.w3.org/2009/xmlenc11#aes128-gcm", older, "", "", rsa.OAEPOptions{Hash: crypto.SHA1}, 16},
		"AES-192-GCM, OAEP, SHA-256": {
			"http://www.w3.org/2009/xmlenc11#aes192-gcm", older, digest, "", rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1}, 24,
		},
		"AES-256-GCM, OAEP of 1.1": {
			"http://www.w3.org/2009/xmlenc11#aes256-gcm", newer, digest, mask, rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA256}, 32,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.accepted(w.encryptedBy(w.signed(w.document()), method))
		})
	}
}

func TestEncryptedAssertion(t *testing.T) {
	t.Parallel()
	for name, method := range map[string]xmlenc.Encrypter{
		"AES-128-CBC": oaep(xmlenc.AES128CBC), "AES-192-CBC": oaep(xmlenc.AES192CBC), "AES-256-CBC": oaep(xmlenc.AES256CBC),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *saml.Config) { c.WantEncrypted = true })
			w.accepted(w.encrypted(w.signed(w.document()), method))
		})
	}
	t.Run("signed outside", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, nil)
		doc := parse(t, w.encrypted(w.document(), nil))
		sign(t, w.keys.idp, doc.Root(), "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")
		w.accepted(write(t, doc))
	})
}

// Whoever knows our certificate can encrypt: what was encrypted is held to the
// same rules.
func TestEncryptedIsCheckedLikePlain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		make func(w *world) string
		want federated.Reason
	}{
		"unsigned":    {func(w *world) string { return w.document() }, federated.BadSignature},
		"another":     {func(w *world) string { return edit(t, w.signed(w.document()), "alice-17", "admin-1") }, federated.BadSignature},
		"audience":    {func(w *world) string { return w.signed(edit(t, w.document(), ">"+ourEntity+"<", ">x<")) }, federated.WrongAudience},
		"comment":     {func(w *world) string { return w.signed(edit(t, w.document(), ">alice-17<", ">alice<!-- -->-17<")) }, federated.Malformed},
		"a logout":    {func(w *world) string { return edit(t, w.signed(w.document()), "saml:Assertion", "saml:Advice") }, federated.Malformed},
		"one in it":   {func(w *world) string { return nested(t, w) }, federated.Malformed},
		"one outside": {func(w *world) string { return w.signed(w.document()) }, federated.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			text := c.make(w)
			sealed := w.sealed(text, name)
			w.refused(sealed, c.want)
		})
	}
}

// sealed encrypts what is made, in the way that a case needs.
func (w *world) sealed(text, name string) string {
	switch name {
	case "a logout":
		doc := parse(w.t, text)
		doc.Root().SelectElement("Advice").Tag = "Assertion"
		sealed := w.encrypted(write(w.t, doc), nil)
		return strings.Replace(sealed, "saml:EncryptedAssertion", "saml:EncryptedID", 2)
	case "one outside":
		sealed := parse(w.t, w.encrypted(text, nil))
		sealed.Root().AddChild(assertionOf(parse(w.t, edit(w.t, w.document(), "alice-17", "admin-1"))))
		return write(w.t, sealed)
	}
	return w.encrypted(text, nil)
}

// nested hides an assertion in the advice of another.
func nested(t *testing.T, w *world) string {
	t.Helper()
	doc := parse(t, w.signed(w.document()))
	inner := assertionOf(doc).Copy()
	inner.CreateAttr("ID", "_inner")
	advice := assertionOf(doc).CreateElement("saml:Advice")
	advice.AddChild(inner)
	return write(t, doc)
}

func TestPlainIsRefusedWhereEncryptedIsWanted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *saml.Config) { c.WantEncrypted = true })
	w.refused(w.signed(w.document()), federated.Malformed)
}

// What does not open, or in a way that does not count, is refused without a word
// on why, and never with a panic.
func TestEncryptionThatDoesNotCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	good := w.encrypted(w.signed(w.document()), nil)
	values := func(text string) []string {
		var out []string
		for _, el := range parse(t, text).FindElements("//CipherValue") {
			out = append(out, el.Text())
		}
		return out
	}(good)
	if len(values) != 2 {
		t.Fatalf("%d cipher values, want that of the key and that of the data", len(values))
	}
	key, data := values[0], values[1]
	raw, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), raw...)
	flipped[len(flipped)-1] ^= 0xff
	short := func(n int) string { return base64.StdEncoding.EncodeToString(raw[:n]) }
	for name, text := range map[string]string{
		"PKCS #1 v1.5":        w.encrypted(w.signed(w.document()), xmlenc.PKCS1v15()),
		"triple DES":          edit(t, good, "xmlenc#aes256-cbc", "xmlenc#tripledes-cbc"),
		"other cipher":        edit(t, good, "xmlenc#aes256-cbc", "xmlenc#aes128-cbc"),
		"no cipher":           edit(t, good, "http://www.w3.org/2001/04/xmlenc#aes256-cbc", ""),
		"CBC read as GCM":     edit(t, good, "http://www.w3.org/2001/04/xmlenc#aes256-cbc", "http://www.w3.org/2009/xmlenc11#aes256-gcm"),
		"GCM without a nonce": edit(t, edit(t, good, "http://www.w3.org/2001/04/xmlenc#aes256-cbc", "http://www.w3.org/2009/xmlenc11#aes256-gcm"), data, short(5)),
		"no whole block":      edit(t, good, data, short(len(raw)-1)),
		"one block":           edit(t, good, data, short(16)),
		"nothing":             edit(t, good, data, ""),
		"bit flipped":         edit(t, good, data, base64.StdEncoding.EncodeToString(flipped)),
		"no base64":           edit(t, good, data, "!"),
		"key cut":             edit(t, good, key, key[:len(key)/2]),
		"key of another":      edit(t, good, key, base64.StdEncoding.EncodeToString(make([]byte, 384))),
		"no key":              edit(t, good, "xenc:EncryptedKey", "xenc:AgreementMethod"),
		"digest of its own":   edit(t, good, "xmldsig#sha1", "xmldsig#md5"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w2 := newWorld(t, nil)
			w2.private, w2.request = w.private, w.request
			if _, err := w2.finish(text); err == nil {
				t.Fatal("Finish opened it")
			} else if got, _ := federated.ReasonOf(err); got != federated.Malformed {
				t.Errorf("Finish = %v, want %s", err, federated.Malformed)
			}
		})
	}
}
