package saml

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // of OAEP, where it need not resist collisions
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

// How data may be encrypted for us (XML Encryption 1.1 section 5). RSA with the
// padding of PKCS #1 v1.5 is not among them: what it lets an attacker find out
// by trying is the key itself.
const (
	aes128cbc = nsXMLEnc + "aes128-cbc"
	aes192cbc = nsXMLEnc + "aes192-cbc"
	aes256cbc = nsXMLEnc + "aes256-cbc"
	aes128gcm = nsXMLEnc11 + "aes128-gcm"
	aes192gcm = nsXMLEnc11 + "aes192-gcm"
	aes256gcm = nsXMLEnc11 + "aes256-gcm"
	rsaOAEP   = nsXMLEnc + "rsa-oaep-mgf1p"
	rsaOAEP11 = nsXMLEnc11 + "rsa-oaep"
)

// cipherKeySize returns the length of the key of a cipher in bytes, 0 if it is
// not one of ours.
func cipherKeySize(algorithm string) int {
	switch algorithm {
	case aes128cbc, aes128gcm:
		return 16
	case aes192cbc, aes192gcm:
		return 24
	case aes256cbc, aes256gcm:
		return 32
	}
	return 0
}

// errNoOpen is all that is said when something does not open: which step it was
// would help to find out the key.
var errNoOpen = errors.New("what is encrypted does not open")

// openAssertion decrypts an EncryptedAssertion and returns the document in it.
func (k Key) openAssertion(el *etree.Element) (*etree.Element, error) {
	data, err := onlyChild(el, nsXMLEnc, "EncryptedData")
	if err != nil {
		return nil, err
	}
	algorithm := methodOf(data)
	size := cipherKeySize(algorithm)
	if size == 0 {
		return nil, fmt.Errorf("encrypted with %q", algorithm)
	}
	wrapped, err := wrappedKey(el, data)
	if err != nil {
		return nil, err
	}
	options, err := paddingOf(wrapped)
	if err != nil {
		return nil, err
	}
	sealedKey, err := cipherValue(wrapped)
	if err != nil {
		return nil, err
	}
	sealed, err := cipherValue(data)
	if err != nil {
		return nil, err
	}
	secret, err := k.private.Decrypt(nil, sealedKey, options)
	if err != nil || len(secret) != size {
		return nil, errNoOpen
	}
	text, err := openData(algorithm, secret, sealed)
	if err != nil {
		return nil, errNoOpen
	}
	return parseDocument(text)
}

// methodOf names the algorithm of an EncryptedData or EncryptedKey.
func methodOf(el *etree.Element) string {
	method, err := onlyChild(el, nsXMLEnc, "EncryptionMethod")
	if err != nil {
		return ""
	}
	return method.SelectAttrValue("Algorithm", "")
}

// paddingOf reads how a key is encrypted (XML Encryption 1.1 section 5.5.2): the
// older of the two algorithms always has MGF1 with SHA-1.
func paddingOf(wrapped *etree.Element) (*rsa.OAEPOptions, error) {
	algorithm := methodOf(wrapped)
	if algorithm != rsaOAEP && algorithm != rsaOAEP11 {
		return nil, fmt.Errorf("key encrypted with %q", algorithm)
	}
	out := &rsa.OAEPOptions{Hash: crypto.SHA1, MGFHash: crypto.SHA1}
	for _, part := range childrenOf(wrapped, nsXMLEnc, "EncryptionMethod")[0].ChildElements() {
		name := part.SelectAttrValue("Algorithm", "")
		switch {
		case isElement(part, nsSignature, "DigestMethod"):
			if out.Hash = hashOf(name); out.Hash == 0 {
				return nil, fmt.Errorf("key encrypted with the digest %q", name)
			}
		case isElement(part, nsXMLEnc11, "MGF") && algorithm == rsaOAEP11:
			digest, ok := strings.CutPrefix(name, nsXMLEnc11+"mgf1")
			if out.MGFHash = hashOf("#" + digest); !ok || out.MGFHash == 0 {
				return nil, fmt.Errorf("key encrypted with the mask %q", name)
			}
		default:
			return nil, fmt.Errorf("key encrypted with a %s", part.Tag)
		}
	}
	return out, nil
}

// hashOf returns the hash that an algorithm names by its fragment, 0 for none of
// ours.
func hashOf(algorithm string) crypto.Hash {
	_, name, _ := strings.Cut(algorithm, "#")
	switch name {
	case "sha1":
		return crypto.SHA1
	case "sha256":
		return crypto.SHA256
	case "sha384":
		return crypto.SHA384
	case "sha512":
		return crypto.SHA512
	}
	return 0
}

// wrappedKey finds the key: inside the data or beside them (SAML 2.0 Core errata
// E43).
func wrappedKey(el, data *etree.Element) (*etree.Element, error) {
	found := childrenOf(el, nsXMLEnc, "EncryptedKey")
	for _, info := range childrenOf(data, nsSignature, "KeyInfo") {
		found = append(found, childrenOf(info, nsXMLEnc, "EncryptedKey")...)
	}
	if len(found) != 1 {
		return nil, fmt.Errorf("%d encrypted keys", len(found))
	}
	return found[0], nil
}

func cipherValue(data *etree.Element) ([]byte, error) {
	outer, err := onlyChild(data, nsXMLEnc, "CipherData")
	if err != nil {
		return nil, err
	}
	value, err := onlyChild(outer, nsXMLEnc, "CipherValue")
	if err != nil {
		return nil, err
	}
	return decodeBase64(value.Text())
}

// decodeBase64 reads base64 with line breaks in it.
func decodeBase64(text string) ([]byte, error) {
	out, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("no base64")
	}
	return out, nil
}

// openData decrypts AES in CBC or GCM mode; the nonce stands in front.
func openData(algorithm string, secret, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("key of the data: %w", err)
	}
	if strings.HasSuffix(algorithm, "-cbc") {
		return openCBC(block, sealed)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cipher of the data: %w", err)
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errNoOpen
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], nil)
}

func openCBC(block cipher.Block, sealed []byte) ([]byte, error) {
	size := block.BlockSize()
	if len(sealed) < 2*size || len(sealed)%size != 0 {
		return nil, errNoOpen
	}
	text := make([]byte, len(sealed)-size)
	cipher.NewCBCDecrypter(block, sealed[:size]).CryptBlocks(text, sealed[size:])
	// XML Encryption 1.1 section 5.2.2: the last byte counts the padding.
	padding := int(text[len(text)-1])
	if padding < 1 || padding > size {
		return nil, errNoOpen
	}
	return text[:len(text)-padding], nil
}
