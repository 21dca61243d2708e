package totp_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
)

// hotpValue is RFC 4226 section 5.3, written for these tests alone: the value
// of six digits for SHA-1.
func hotpValue(secret []byte, counter uint64) uint32 {
	mac := hmac.New(sha1.New, secret)
	mac.Write(binary.BigEndian.AppendUint64(nil, counter))
	sum := mac.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff % 1_000_000
}
