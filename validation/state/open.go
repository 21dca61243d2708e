package state

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// Open returns the claims of a token of that kind. Whatever is wrong with the
// text is [ErrInvalid]; any other error means that the keys could not be read.
// Expiry and binding are not judged.
func (s *Sealer) Open(ctx context.Context, kind Kind, text string) (Claims, error) {
	if !kind.known() || !wellFormed(text) {
		return Claims{}, ErrInvalid
	}
	object, err := jose.ParseEncryptedCompact(text,
		[]jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return Claims{}, ErrInvalid
	}
	head, ok := readHeader(text)
	if !ok {
		return Claims{}, ErrInvalid
	}
	key, err := s.ring.byID(ctx, head.Kid)
	if err != nil {
		return Claims{}, fmt.Errorf("open state: %w", err)
	}
	if key == nil || head.Typ != kind.typ() {
		return Claims{}, ErrInvalid
	}
	plain, err := object.Decrypt(key.seal[kind])
	if err != nil {
		return Claims{}, ErrInvalid
	}
	claims, ok := decodeClaims(plain, kind)
	if !ok {
		return Claims{}, ErrInvalid
	}
	claims.codeKey = key.code
	return claims, nil
}

// wellFormed judges the text alone: size, alphabet, four dots, and an empty
// second segment. go-jose ignores a filled one under "dir", which RFC 7516
// section 5.2 step 10 forbids.
func wellFormed(text string) bool {
	if len(text) == 0 || len(text) > MaxSize {
		return false
	}
	for i := range len(text) {
		if c := text[i]; c != '.' && !isBase64URL(c) {
			return false
		}
	}
	parts := strings.Split(text, ".")
	return len(parts) == 5 && parts[1] == ""
}

func isBase64URL(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// header is the protected header of a token.
type header struct {
	Alg string `json:"alg"`
	Enc string `json:"enc"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

// readHeader wants the four members, each once and nothing beside them: the
// header must be written as Mint writes it.
func readHeader(text string) (header, bool) {
	first, _, _ := strings.Cut(text, ".")
	raw, err := base64.RawURLEncoding.DecodeString(first)
	if err != nil {
		return header{}, false
	}
	var head header
	if err := json.Unmarshal(raw, &head); err != nil {
		return header{}, false
	}
	again, err := json.Marshal(head)
	return head, err == nil && string(again) == string(raw)
}

func (k Kind) known() bool {
	switch k {
	case KindEmail, KindPhone, KindTOTP, KindStepUp, KindLink, KindLogin:
		return true
	default:
		return false
	}
}
