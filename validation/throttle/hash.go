package throttle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/netip"
	"strings"
)

// KeySize is the length of the long-lived key of a Hasher, in bytes.
const KeySize = 32

// Hasher turns what identifies a counter into its row key, so that the rows
// hold no address.
type Hasher struct{ key []byte }

// NewHasher takes the long-lived key that all nodes share.
func NewHasher(key []byte) (*Hasher, error) {
	if len(key) != KeySize {
		return nil, errors.New("the key of the limits must have 32 bytes")
	}
	return &Hasher{key: key}, nil
}

// of is an HMAC over a label and length-prefixed parts.
func (h *Hasher) of(label string, parts ...string) []byte {
	mac := hmac.New(sha256.New, h.key)
	var length [8]byte
	for _, part := range append([]string{label}, parts...) {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return mac.Sum(nil)
}

// Destination returns the key of a normalised e-mail address or telephone
// number. The local part counts without case, or spellings of one mailbox
// would have counters of their own.
func (h *Hasher) Destination(normalised string) []byte {
	return h.of("destination", strings.ToLower(normalised))
}

// address returns the key of a client address: an IPv4 address, or the /64
// of an IPv6 address, within which one host can choose at will.
func (h *Hasher) address(ip netip.Addr) []byte {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			ip = network.Addr()
		}
	}
	return h.of("ip", ip.String())
}
