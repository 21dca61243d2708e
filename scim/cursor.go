package scim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// cursor is a place in a list and the query that it belongs to (RFC 9865).
// Sealed, it is opaque, cannot be forged and opens on every node.
type cursor struct {
	issued   time.Time // whole seconds
	query    [16]byte  // hash of all that must be the same on every page
	count    int
	total    int64 // counted once, on the first page
	backward bool  // the page before the position instead of the one behind it
	at       Position
}

// Versions of the sealed form, and the flags in it.
const (
	cursorForm     = 1
	flagBackward   = 1
	flagMissing    = 2
	cursorHead     = 1 + 8 + 16 + 4 + 8 + 1 + 2
	cursorPurpose  = "sallyport/v1/scim-cursor"
	maxCursorBytes = 64 << 10
)

// newCursorAEAD returns the AEAD that seals cursors. Its nonces are random.
func newCursorAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("scim: CursorKey has %d bytes, not 32", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("scim: cursor key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("scim: cursor key: %w", err)
	}
	return aead, nil
}

// seal returns the cursor as unreserved characters (RFC 9865 section 2).
func (c cursor) seal(aead cipher.AEAD) string {
	var flags byte
	if c.backward {
		flags |= flagBackward
	}
	if c.at.Missing {
		flags |= flagMissing
	}
	b := make([]byte, 0, cursorHead+len(c.at.ID)+len(c.at.Key))
	b = append(b, cursorForm)
	b = binary.BigEndian.AppendUint64(b, uint64(c.issued.Unix())) //nolint:gosec // openCursor turns it back
	b = append(b, c.query[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(c.count)) //nolint:gosec // at most Limits.MaxCount
	b = binary.BigEndian.AppendUint64(b, uint64(c.total)) //nolint:gosec // openCursor turns it back
	b = append(b, flags)
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.at.ID))) //nolint:gosec // ids have 36 bytes
	b = append(b, c.at.ID...)
	b = append(b, c.at.Key...)
	sealed := aead.Seal(nil, nil, b, []byte(cursorPurpose)) //nolint:gosec // the AEAD draws its nonce itself
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// errCursor is any fault of a sealed cursor; which one is nobody's business.
var errCursor = errors.New("cursor does not open")

// openCursor undoes seal.
func openCursor(aead cipher.AEAD, text string) (cursor, error) {
	// The decoder skips line breaks, which are no part of a cursor.
	if len(text) > maxCursorBytes || strings.ContainsAny(text, "\r\n") {
		return cursor{}, errCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return cursor{}, errCursor
	}
	b, err := aead.Open(nil, nil, sealed, []byte(cursorPurpose))
	if err != nil || len(b) < cursorHead || b[0] != cursorForm {
		return cursor{}, errCursor
	}
	b = b[1:]
	var c cursor
	c.issued = time.Unix(int64(binary.BigEndian.Uint64(b)), 0).UTC() //nolint:gosec // as seal wrote it
	b = b[8+copy(c.query[:], b[8:]):]
	c.count = int(binary.BigEndian.Uint32(b))
	c.total = int64(binary.BigEndian.Uint64(b[4:])) //nolint:gosec // as seal wrote it
	c.backward, c.at.Missing = b[12]&flagBackward != 0, b[12]&flagMissing != 0
	n := int(binary.BigEndian.Uint16(b[13:]))
	if b = b[15:]; len(b) < n {
		return cursor{}, errCursor
	}
	c.at.ID, c.at.Key = string(b[:n]), string(b[n:])
	return c, nil
}

// bind hashes the parts of a query that a cursor is bound to. Each part stands
// behind its length, so that two queries never make the same text.
func bind(parts ...string) [16]byte {
	h := sha256.New()
	var n [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return [16]byte(h.Sum(nil)[:16])
}

// resume checks a cursor that a client sent back (RFC 9865 section 2.1).
func (s *Service) resume(text string, query [16]byte, count *int) (cursor, error) {
	c, err := openCursor(s.cursors, text)
	if err != nil || c.query != query {
		return cursor{}, NewError(http.StatusBadRequest, TypeInvalidCursor,
			"The cursor is not one of this query: send the cursor of the last page unchanged, with the same filter, sorting, attributes and token, or start again without one.")
	}
	if age := s.cfg.Now().Truncate(time.Second).Sub(c.issued); age > s.limits.CursorTimeout {
		return cursor{}, Errorf(http.StatusBadRequest, TypeExpiredCursor,
			"The cursor is older than %d seconds; start again without one.", int(s.limits.CursorTimeout.Seconds()))
	}
	if count != nil && *count != c.count {
		return cursor{}, Errorf(http.StatusBadRequest, TypeInvalidCount,
			"count must stay %d on every page of a cursor.", c.count)
	}
	return c, nil
}
