package storagetest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/recovery"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
)

// RecoveryCodes is the conformance suite of recovery.Store.
func RecoveryCodes(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"a set is what was stored", recoveryRoundTrip},
		{"a code is used once, and counted down", recoveryUsed},
		{"parallel uses of one code on two nodes succeed once", recoveryRace},
		{"a new set voids the old one", recoveryReplaced},
		{"what is rolled back was not used", recoveryRollsBack},
		{"it ends with its user", recoveryEndsWithUser},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

// putSet stores a set of n codes of a new user and returns it as stored.
func putSet(t *testing.T, o *Opener, db *storage.DB, user string, n int) recovery.Set {
	t.Helper()
	s := recovery.Set{ID: "not read", UserID: user, Salt: "salt", CreatedAt: o.Clock.Now()}
	for i := 1; i <= n; i++ {
		s.Left = append(s.Left, recovery.Hashed{N: i, Hash: bytes.Repeat([]byte{byte(i)}, 32)})
	}
	id, err := db.PutRecoverySet(t.Context(), s)
	if err != nil || id == "" {
		t.Fatalf("PutRecoverySet = %q, %v", id, err)
	}
	s.ID = id
	return s
}

func wantSet(t *testing.T, db *storage.DB, want recovery.Set) {
	t.Helper()
	got, err := db.RecoverySet(t.Context(), want.UserID)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("RecoverySet, %v (-want +got):\n%s", err, diff)
	}
	held, err := db.Holdings(t.Context(), want.UserID)
	if err != nil || held.RecoverySet != want.ID || held.RecoveryLeft != len(want.Left) {
		t.Errorf("Holdings = %s with %d left, %v, want %s with %d", held.RecoverySet, held.RecoveryLeft, err, want.ID, len(want.Left))
	}
}

func recoveryRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	_, err := nodes[0].RecoverySet(t.Context(), user)
	wantIs(t, err, recovery.ErrNoSet)
	wantSet(t, nodes[1], putSet(t, o, nodes[0], user, 10))
	for i, want := range []bool{true, false} {
		if had, err := nodes[1].DeleteRecoverySet(t.Context(), user); err != nil || had != want {
			t.Errorf("DeleteRecoverySet %d = %v, %v, want %v", i, had, err, want)
		}
	}
	_, err = nodes[0].RecoverySet(t.Context(), user)
	wantIs(t, err, recovery.ErrNoSet)
	for name, s := range map[string]recovery.Set{
		"no user":  {Salt: "s", Left: []recovery.Hashed{{N: 1}}},
		"no salt":  {UserID: user, Left: []recovery.Hashed{{N: 1}}},
		"no codes": {UserID: user, Salt: "s"},
	} {
		if _, err := nodes[0].PutRecoverySet(t.Context(), s); err == nil {
			t.Errorf("%s: PutRecoverySet took it", name)
		}
	}
}

func recoveryUsed(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := putSet(t, o, nodes[0], NewID(t), 3)
	for _, c := range []struct {
		n, left int
		want    error
	}{{2, 2, nil}, {2, 0, recovery.ErrUsed}, {1, 1, nil}, {9, 0, recovery.ErrUsed}, {3, 0, nil}, {1, 0, recovery.ErrUsed}} {
		left, err := nodes[c.n%2].UseRecoveryCode(t.Context(), s.UserID, s.ID, c.n, o.Clock.Now())
		if !errors.Is(err, c.want) || left != c.left {
			t.Errorf("code %d: %d left, %v, want %d, %v", c.n, left, err, c.left, c.want)
		}
	}
	// A set without codes is still there: what was proved with the last one counts.
	s.Left = nil
	wantSet(t, nodes[0], s)
	_, err := nodes[0].UseRecoveryCode(t.Context(), NewID(t), s.ID, 1, o.Clock.Now())
	wantIs(t, err, recovery.ErrUsed)
}

func recoveryRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := putSet(t, o, nodes[0], NewID(t), 10)
	var used, refused atomic.Int32
	var wg sync.WaitGroup
	for i := range guesses {
		wg.Go(func() {
			left, err := nodes[i%2].UseRecoveryCode(context.Background(), s.UserID, s.ID, 4, o.Clock.Now())
			switch {
			case err == nil && left == 9:
				used.Add(1)
			case errors.Is(err, recovery.ErrUsed):
				refused.Add(1)
			default:
				t.Errorf("UseRecoveryCode = %d, %v", left, err)
			}
		})
	}
	wg.Wait()
	if used.Load() != 1 || refused.Load() != guesses-1 {
		t.Errorf("the code was used %d times and refused %d times", used.Load(), refused.Load())
	}
}

func recoveryReplaced(t *testing.T, o *Opener, nodes []*storage.DB) {
	old := putSet(t, o, nodes[0], NewID(t), 10)
	nameCredential(t, nodes[0], old.UserID, validation.RecoveryCredential(old.ID))
	fresh := putSet(t, o, nodes[1], old.UserID, 8)
	_, err := nodes[0].UseRecoveryCode(t.Context(), old.UserID, old.ID, 1, o.Clock.Now())
	wantIs(t, err, recovery.ErrUsed)
	wantSet(t, nodes[0], fresh)
	wantSettings(t, nodes[1], old.UserID)
}

func recoveryRollsBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := putSet(t, o, nodes[0], NewID(t), 8)
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if _, err := nodes[0].UseRecoveryCode(ctx, s.UserID, s.ID, 5, o.Clock.Now()); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	wantSet(t, nodes[1], s)
}

func recoveryEndsWithUser(t *testing.T, o *Opener, nodes []*storage.DB) {
	r := Add(t, nodes[0], o.Type(t, "User"), o.User(t, "recovery-leaver@example.com"))
	s := putSet(t, o, nodes[0], r.ID, 8)
	if err := nodes[0].Delete(t.Context(), o.Type(t, "User"), r.ID); err != nil {
		t.Fatal(err)
	}
	_, err := nodes[1].RecoverySet(t.Context(), r.ID)
	wantIs(t, err, recovery.ErrNoSet)
	_, err = nodes[1].UseRecoveryCode(t.Context(), r.ID, s.ID, 1, o.Clock.Now())
	wantIs(t, err, recovery.ErrUsed)
}
