package storagetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/state"
)

// StateKeys is the conformance suite of the keys of sealed states.
func StateKeys(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	keysNotMadeInTransaction(t, nodes[0])
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"two nodes make one current and one next key", firstKeys},
		{"states are counted for the current key alone", countsStates},
		{"a state of node A opens on node B", stateAToB},
		{"a key is next for long before it mints", rotation},
		{"2^30 states rotate like 30 days", rotatesByCount},
		{"nodes that rotate together rotate once", rotateTogether},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func keysNotMadeInTransaction(t *testing.T, db *storage.DB) {
	t.Helper()
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		keys, err := db.StateKeys(ctx)
		if err == nil {
			t.Errorf("%d keys were made in a transaction that may be rolled back", len(keys))
		}
		return nil
	})
	if err != nil {
		t.Fatalf("InTx: %v", err)
	}
}

// keysOf returns the keys of a node by their state, and checks that there is
// one current and one next key.
func keysOf(t *testing.T, db *storage.DB) map[state.KeyState][]state.Key {
	t.Helper()
	keys, err := db.StateKeys(t.Context())
	if err != nil {
		t.Fatalf("StateKeys: %v", err)
	}
	out := map[state.KeyState][]state.Key{}
	for _, k := range keys {
		if len(k.Secret) != state.KeySize {
			t.Fatalf("key %s has %d bytes", k.ID, len(k.Secret))
		}
		out[k.State] = append(out[k.State], k)
	}
	if len(out[state.KeyCurrent]) != 1 || len(out[state.KeyNext]) != 1 {
		t.Fatalf("keys = %v", keys)
	}
	return out
}

func currentKey(t *testing.T, db *storage.DB) state.Key {
	t.Helper()
	return keysOf(t, db)[state.KeyCurrent][0]
}

func nextKey(t *testing.T, db *storage.DB) state.Key {
	t.Helper()
	return keysOf(t, db)[state.KeyNext][0]
}

func firstKeys(t *testing.T, _ *Opener, nodes []*storage.DB) {
	lists := make([][]state.Key, 16)
	var wg sync.WaitGroup
	for i := range lists {
		wg.Go(func() {
			var err error
			if lists[i], err = nodes[i%2].StateKeys(context.Background()); err != nil {
				t.Errorf("StateKeys: %v", err)
			}
		})
	}
	wg.Wait()
	for _, list := range lists {
		if diff := cmp.Diff(lists[0], list); diff != "" || len(list) != 2 {
			t.Fatalf("nodes disagree (-first +other):\n%s", diff)
		}
	}
	keysOf(t, nodes[0])
	wantKeyEvents(t, nodes[0], map[audit.Name]int{audit.KeyCreated: 2})
}

func countsStates(t *testing.T, _ *Opener, nodes []*storage.DB) {
	before := currentKey(t, nodes[0])
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			still, err := nodes[i%2].CountStates(context.Background(), before.ID, 10)
			if err != nil || !still {
				t.Errorf("CountStates = %v, %v", still, err)
			}
		})
	}
	wg.Wait()
	if got := currentKey(t, nodes[1]).Minted - before.Minted; got != 200 {
		t.Errorf("counted %d, want 200", got)
	}
	for _, id := range []string{nextKey(t, nodes[0]).ID, "nobody"} {
		if still, err := nodes[0].CountStates(t.Context(), id, 10); err != nil || still {
			t.Errorf("CountStates(%s) = %v, %v, want false", id, still, err)
		}
	}
	if got := nextKey(t, nodes[0]).Minted; got != 0 {
		t.Errorf("the next key counted %d", got)
	}
}

// sealer is the sealer of one node.
func sealer(o *Opener, db *storage.DB) *state.Sealer {
	return state.NewSealer(state.NewRing(db, o.Clock.Now), o.Clock.Now)
}

func mint(t *testing.T, o *Opener, s *state.Sealer) state.Token {
	t.Helper()
	now := o.Clock.Now()
	token, err := s.Mint(t.Context(), state.Claims{
		JTI: state.NewJTI(), Kind: state.KindEmail, Subject: "u", IssuedAt: now, ExpiresAt: now.Add(state.MaxLife),
	})
	if err != nil {
		t.Fatalf("Mint: %v", err)
	}
	return token
}

func opens(t *testing.T, s *state.Sealer, token state.Token) bool {
	t.Helper()
	_, err := s.Open(t.Context(), state.KindEmail, token.Reveal())
	if err != nil && !errors.Is(err, state.ErrInvalid) {
		t.Fatalf("Open: %v", err)
	}
	return err == nil
}

func stateAToB(t *testing.T, o *Opener, nodes []*storage.DB) {
	a, b := sealer(o, nodes[0]), sealer(o, nodes[1])
	for _, pair := range [][2]*state.Sealer{{a, b}, {b, a}} {
		if !opens(t, pair[1], mint(t, o, pair[0])) {
			t.Error("the other node does not open it")
		}
	}
}

// rotate calls RotateStateKeys and wants it to have rotated or not.
func rotate(t *testing.T, db *storage.DB, want bool) {
	t.Helper()
	got, err := db.RotateStateKeys(t.Context())
	if err != nil || got != want {
		t.Fatalf("RotateStateKeys = %v, %v, want %v", got, err, want)
	}
}

// rotation leads two keys through their lives, with a node that has read the
// keys just before each step.
func rotation(t *testing.T, o *Opener, nodes []*storage.DB) {
	a, b := sealer(o, nodes[0]), sealer(o, nodes[1])
	first, second := currentKey(t, nodes[0]), nextKey(t, nodes[0])
	rotate(t, nodes[0], false)
	o.Clock.Advance(state.KeyLife - time.Minute)
	rotate(t, nodes[0], false)
	token := mint(t, o, a)
	mint(t, o, b)
	o.Clock.Advance(time.Minute)
	rotate(t, nodes[1], true)

	keys := keysOf(t, nodes[0])
	if keys[state.KeyCurrent][0].ID != second.ID || keys[state.KeyPrevious][0].ID != first.ID {
		t.Fatalf("keys after the rotation: %v", keys)
	}
	if third := keys[state.KeyNext][0]; third.ID == first.ID || third.ID == second.ID {
		t.Errorf("the next key is an old one: %v", third)
	}
	if !opens(t, b, token) || !opens(t, sealer(o, nodes[1]), token) {
		t.Error("a state of the previous key does not open")
	}
	o.Clock.Advance(state.RefreshEvery)
	after := mint(t, o, a)
	if !opens(t, b, after) {
		t.Error("a state of the new key does not open on the other node")
	}
	// The next key is too young, however much the current one has minted.
	if _, err := nodes[0].CountStates(t.Context(), second.ID, state.KeyStates); err != nil {
		t.Fatal(err)
	}
	rotate(t, nodes[0], false)

	o.Clock.Advance(state.PreviousKept - state.RefreshEvery - time.Second)
	rotate(t, nodes[0], true) // by the count; the first key is not over yet
	if !opens(t, sealer(o, nodes[0]), token) {
		t.Error("the previous key was retired too early")
	}
	o.Clock.Advance(time.Second)
	rotate(t, nodes[0], false)
	if opens(t, sealer(o, nodes[0]), token) {
		t.Error("a state of a retired key opens")
	}
	if opens(t, b, token) {
		o.Clock.Advance(state.RefreshEvery)
		if opens(t, b, token) {
			t.Error("a state of a retired key opens on a node that has read the keys again")
		}
	}
	wantKeyEvents(t, nodes[0], map[audit.Name]int{audit.KeyActivated: 2, audit.KeyRetired: 1, audit.KeyCreated: 4})
}

// wantKeyEvents counts the events about state keys; master keys have some too.
func wantKeyEvents(t *testing.T, db *storage.DB, want map[audit.Name]int) {
	t.Helper()
	for name, n := range want {
		list, err := db.Events(t.Context(), audit.Filter{Name: name})
		list = slices.DeleteFunc(list, func(e audit.Event) bool { return string(e.Detail) != `{"purpose":"state"}` })
		if err != nil || len(list) != n {
			t.Errorf("%d events %s, %v, want %d", len(list), name, err, n)
		}
	}
}

func rotatesByCount(t *testing.T, o *Opener, nodes []*storage.DB) {
	o.Clock.Advance(state.NextLead)
	current, next := currentKey(t, nodes[0]), nextKey(t, nodes[0])
	if _, err := nodes[0].CountStates(t.Context(), current.ID, state.KeyStates-1-current.Minted); err != nil {
		t.Fatal(err)
	}
	rotate(t, nodes[0], false)
	if _, err := nodes[0].CountStates(t.Context(), current.ID, 1); err != nil {
		t.Fatal(err)
	}
	rotate(t, nodes[0], true)
	if got := currentKey(t, nodes[1]).ID; got != next.ID {
		t.Errorf("current key %s, want %s", got, next.ID)
	}
	if still, err := nodes[1].CountStates(t.Context(), current.ID, 1); err != nil || still {
		t.Errorf("the previous key still counts: %v, %v", still, err)
	}
}

func rotateTogether(t *testing.T, o *Opener, nodes []*storage.DB) {
	o.Clock.Advance(state.KeyLife)
	next := nextKey(t, nodes[0])
	rotated := make([]bool, 20)
	var wg sync.WaitGroup
	for i := range rotated {
		wg.Go(func() {
			var err error
			if rotated[i], err = nodes[i%2].RotateStateKeys(context.Background()); err != nil {
				t.Errorf("RotateStateKeys: %v", err)
			}
		})
	}
	wg.Wait()
	n := 0
	for _, yes := range rotated {
		if yes {
			n++
		}
	}
	if n != 1 || currentKey(t, nodes[0]).ID != next.ID {
		t.Errorf("%d rotations, current key %v, want 1 and %v", n, currentKey(t, nodes[0]), next)
	}
	if previous := keysOf(t, nodes[0])[state.KeyPrevious]; slices.ContainsFunc(previous, func(k state.Key) bool { return k.ID == next.ID }) {
		t.Error("the new key was rotated at once")
	}
}
