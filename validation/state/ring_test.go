package state_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/validation/state"
)

// TestNodeAToNodeB is case node_a_to_node_b for the token alone: minted on one
// node, opened on another, also right after a rotation that B has not seen.
func TestNodeAToNodeB(t *testing.T) {
	t.Parallel()
	f := newFixture()
	a, b := f, fixture{Sealer: node(f.store, f.clock), store: f.store, clock: f.clock}
	text := a.mint(t, a.claims(state.KindEmail))
	if _, err := b.Open(t.Context(), state.KindEmail, text); err != nil {
		t.Fatalf("B: %v", err)
	}
	f.clock.advance(state.NextLead)
	f.store.rotate(f.clock.now())
	f.clock.advance(2 * time.Second) // A is up to date, B is not
	a.Sealer = node(f.store, f.clock)
	after := a.mint(t, a.claims(state.KindEmail))
	for name, text := range map[string]string{"before": text, "after": after} {
		if _, err := b.Open(t.Context(), state.KindEmail, text); err != nil {
			t.Errorf("minted on A %s the rotation, B: %v", name, err)
		}
	}
}

// header is the first segment, which names the key.
func header(text string) string {
	first, _, _ := strings.Cut(text, ".")
	return first
}

// TestKeyRotation is case key_rotation: an old key opens while it is previous
// and not afterwards.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	f := newFixture()
	text := f.mint(t, f.claims(state.KindEmail))
	f.store.rotate(f.clock.now())
	f.clock.advance(state.RefreshEvery)
	if _, err := f.Open(t.Context(), state.KindEmail, text); err != nil {
		t.Errorf("key is previous: %v", err)
	}
	if now := f.mint(t, f.claims(state.KindEmail)); header(now) == header(text) {
		t.Error("the previous key still mints")
	}
	f.store.rotate(f.clock.now())
	f.clock.advance(state.RefreshEvery)
	wantInvalid(t, f.Sealer, state.KindEmail, "retired key", text)
}

// TestMintsUnderNextOnlyAfterPromotion: a next key opens, and never mints.
func TestMintsUnderNextOnlyAfterPromotion(t *testing.T) {
	t.Parallel()
	f := newFixture()
	stale := fixture{Sealer: node(f.store, f.clock), store: f.store, clock: f.clock}
	before := stale.mint(t, stale.claims(state.KindEmail))
	f.store.rotate(f.clock.now())
	// Within RefreshEvery a node may mint with what it has read; others open it.
	late := stale.mint(t, stale.claims(state.KindEmail))
	if header(late) != header(before) {
		t.Error("the node knew of a rotation that it had not read")
	}
	if _, err := node(f.store, f.clock).Open(t.Context(), state.KindEmail, late); err != nil {
		t.Errorf("a token minted a moment after the rotation: %v", err)
	}
}

// TestUnknownKidReadsOnce: made-up kids cost one reading a second at most.
func TestUnknownKidReadsOnce(t *testing.T) {
	t.Parallel()
	f := newFixture()
	other := newFixture()
	other.store.rotate(other.clock.now())
	other.store.rotate(other.clock.now())
	foreign := other.mint(t, other.claims(state.KindEmail)) // key3, unknown to f
	f.mint(t, f.claims(state.KindEmail))
	f.clock.advance(2 * time.Second)
	before := f.store.readings()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { wantInvalid(t, f.Sealer, state.KindEmail, "foreign", foreign) })
	}
	wg.Wait()
	if got := f.store.readings() - before; got != 1 {
		t.Errorf("%d readings for 50 unknown kids, want 1", got)
	}
	f.clock.advance(time.Second)
	wantInvalid(t, f.Sealer, state.KindEmail, "foreign", foreign)
	if got := f.store.readings() - before; got != 2 {
		t.Errorf("%d readings a second later, want 2", got)
	}
}

// TestReadsSeldom: known keys are read once a minute, whatever the traffic.
func TestReadsSeldom(t *testing.T) {
	t.Parallel()
	f := newFixture()
	for range 10 {
		text := f.mint(t, f.claims(state.KindEmail))
		if _, err := f.Open(t.Context(), state.KindEmail, text); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.store.readings(); got != 1 {
		t.Errorf("%d readings, want 1", got)
	}
	f.clock.advance(state.RefreshEvery)
	f.mint(t, f.claims(state.KindEmail))
	if got := f.store.readings(); got != 2 {
		t.Errorf("%d readings a minute later, want 2", got)
	}
}

// TestCountsWhatItMints: the count in the store is never less than what was
// minted, with many goroutines and two nodes, and not much more.
func TestCountsWhatItMints(t *testing.T) {
	t.Parallel()
	f := newFixture()
	nodes := []*state.Sealer{f.Sealer, node(f.store, f.clock)}
	const each, goroutines = 60, 100
	var wg sync.WaitGroup
	for i := range goroutines {
		wg.Go(func() {
			for range each {
				if _, err := nodes[i%2].Mint(context.Background(), f.claims(state.KindEmail)); err != nil {
					t.Errorf("Mint: %v", err)
				}
			}
		})
	}
	wg.Wait()
	minted := f.store.current().Minted
	if minted < each*goroutines {
		t.Errorf("counted %d, minted %d", minted, each*goroutines)
	}
	if minted > 500*each*goroutines {
		t.Errorf("counted %d for %d tokens", minted, each*goroutines)
	}
}

// TestMintWithoutCurrentKey: the ring has nothing to mint with.
func TestMintWithoutCurrentKey(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := node(&memory{}, c)
	if _, err := s.Mint(t.Context(), (fixture{clock: c}).claims(state.KindEmail)); err == nil {
		t.Error("Mint without keys succeeded")
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name   string
		minted int64
		age    time.Duration
		want   bool
	}{
		{"new", 0, 0, false},
		{"almost 30 days", state.KeyStates - 1, state.KeyLife - time.Microsecond, false},
		{"30 days", 0, state.KeyLife, true},
		{"2^30 states", 1 << 30, time.Hour, true},
	} {
		k := state.Key{ChangedAt: at, Minted: c.minted}
		if got := k.Due(at.Add(c.age)); got != c.want {
			t.Errorf("%s: Due = %v, want %v", c.name, got, c.want)
		}
	}
	if state.NextLead <= state.RefreshEvery || state.PreviousKept <= state.MaxLife+state.RefreshEvery {
		t.Error("the times of a key's life do not cover the life of a token and of a reading")
	}
}
