package state_test

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/validation/state"
)

// errStore is the failure of a store.
var errStore = errors.New("store is down")

// memory is a key store in memory, as several nodes share one. rotate does what
// a store does when a key is due.
type memory struct {
	mu    sync.Mutex
	keys  []state.Key
	reads int
	made  int
	fail  error
}

func newMemory(now time.Time) *memory {
	m := &memory{}
	m.add(state.KeyCurrent, now)
	m.add(state.KeyNext, now)
	return m
}

func (m *memory) add(s state.KeyState, now time.Time) {
	secret := make([]byte, state.KeySize)
	_, _ = rand.Read(secret)
	m.made++
	m.keys = append(m.keys, state.Key{
		ID: fmt.Sprintf("key%d", m.made), Secret: secret, State: s, CreatedAt: now, ChangedAt: now,
	})
}

// rotate moves every key on by one state and forgets the previous one.
func (m *memory) rotate(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = slices.DeleteFunc(m.keys, func(k state.Key) bool { return k.State == state.KeyPrevious })
	for i := range m.keys {
		if m.keys[i].State == state.KeyCurrent {
			m.keys[i].State = state.KeyPrevious
		} else {
			m.keys[i].State = state.KeyCurrent
		}
	}
	m.add(state.KeyNext, now)
}

func (m *memory) StateKeys(context.Context) ([]state.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	return slices.Clone(m.keys), m.fail
}

func (m *memory) CountStates(_ context.Context, id string, n int64) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.keys {
		if m.keys[i].ID == id && m.keys[i].State == state.KeyCurrent {
			m.keys[i].Minted += n
			return true, m.fail
		}
	}
	return false, m.fail
}

func (m *memory) current() state.Key {
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.keys, func(k state.Key) bool { return k.State == state.KeyCurrent })
	return m.keys[i]
}

func (m *memory) readings() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reads
}

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// node is one server of several on one store.
func node(m *memory, c *clock) *state.Sealer {
	return state.NewSealer(state.NewRing(m, c.now), c.now)
}

// fixture is one node with its store and clock.
type fixture struct {
	*state.Sealer
	store *memory
	clock *clock
}

func newFixture() fixture {
	c := newClock()
	m := newMemory(c.now())
	return fixture{Sealer: node(m, c), store: m, clock: c}
}

// claims are good for ten minutes.
func (f fixture) claims(kind state.Kind) state.Claims {
	return state.Claims{
		JTI: state.NewJTI(), Kind: kind, Subject: "a13523d8-b6fd-35e0-adca-bdbe434645a5",
		IssuedAt: f.clock.now(), ExpiresAt: f.clock.now().Add(state.MaxLife),
		Actor: state.Actor{Client: "account-app", Subject: "a13523d8-b6fd-35e0-adca-bdbe434645a5", Session: "s-1"},
		Path:  "secondFactorEmail", Value: "dr.veil@sainteanne.com",
		CredentialEpoch: 3, FactorEpoch: 7,
	}
}

func (f fixture) mint(tb testing.TB, c state.Claims) string {
	tb.Helper()
	token, err := f.Mint(context.Background(), c)
	if err != nil {
		tb.Fatalf("Mint: %v", err)
	}
	return token.Reveal()
}

// derived is the key that the current state key gives for an info.
func (f fixture) derived(tb testing.TB, info string) []byte {
	tb.Helper()
	key, err := hkdf.Key(sha256.New, f.store.current().Secret, nil, info, 32)
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func wantInvalid(tb testing.TB, s *state.Sealer, kind state.Kind, name, text string) {
	tb.Helper()
	c, err := s.Open(context.Background(), kind, text)
	if !errors.Is(err, state.ErrInvalid) {
		tb.Errorf("%s: Open = %v, %v, want ErrInvalid", name, c, err)
	}
}
