package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// csrfField is the form field of the token.
const csrfField = "csrf"

// formKey makes and checks the tokens of forms. A token holds for one page of
// one transaction in one browser: cookies alone do not send a form, and a form
// of one's own transaction does not fit somebody else's (RFC 6749 section
// 10.12).
type formKey []byte

// token returns the token of the page in the transaction (pages without one
// have a fixed word) for the secret of the browser.
func (k formKey) token(txn string, p page, browser string) string {
	mac := hmac.New(sha256.New, k)
	var length [4]byte
	for _, part := range []string{txn, string(p), browser} {
		binary.BigEndian.PutUint32(length[:], uint32(len(part))) //nolint:gosec // parts of a request are far shorter
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// valid reports whether the token is of one of the pages. A request without
// the browser's secret has no valid token.
func (k formKey) valid(token, txn, browser string, pages ...page) bool {
	if browser == "" {
		return false
	}
	for _, p := range pages {
		if hmac.Equal([]byte(token), []byte(k.token(txn, p, browser))) {
			return true
		}
	}
	return false
}
