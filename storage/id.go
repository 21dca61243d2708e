package storage

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
	"time"

	"github.com/google/uuid"
)

// idSource makes UUIDv7 ids (RFC 9562 section 5.7) that grow strictly within
// one process, so that audit events of one node read in the order in which
// they were written.
type idSource struct {
	now func() time.Time

	mu   sync.Mutex
	last uint64 // milliseconds << 12 | fraction, as in the last id
}

// next returns a new id. The 12 bits behind the milliseconds hold their
// fraction (RFC 9562 section 6.2, method 3).
func (s *idSource) next() string {
	at := s.now()
	ticks := uint64(at.UnixMilli())<<12 | uint64(at.Nanosecond()%1_000_000)<<12/1_000_000 //nolint:gosec // after 1970
	s.mu.Lock()
	s.last = max(ticks, s.last+1)
	ticks = s.last
	s.mu.Unlock()

	var id uuid.UUID
	_, _ = rand.Read(id[8:]) // never fails, says crypto/rand
	binary.BigEndian.PutUint64(id[:8], ticks>>12<<16|0x7000|ticks&0xfff)
	id[8] = id[8]&0x3f | 0x80
	return id.String()
}
