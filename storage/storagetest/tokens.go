package storagetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
)

// Tokens is the conformance suite of [scim.TokenStore].
func Tokens(t *testing.T, o *Opener) {
	db := o.Open(t)
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, *storage.DB)
	}{
		{"what is inserted is read back", tokenReadBack},
		{"a live name is taken, an ended one free", tokenNames},
		{"an edit is atomic", tokenEdits},
		{"the last use only grows", tokenTouch},
		{"one of many takes a name", tokenRace},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, db) })
	}
}

func (o *Opener) token(t *testing.T, name string) *scim.Token {
	t.Helper()
	id := NewID(t)
	hash := sha256.Sum256([]byte(id))
	return &scim.Token{
		ID: id, Name: name, Hash: hash[:], Scopes: []string{scim.ScopeRead, scim.ScopeWrite},
		Profile: "compat", CreatedAt: o.Clock.Now(),
	}
}

func insertToken(t *testing.T, db *storage.DB, token *scim.Token) *scim.Token {
	t.Helper()
	if err := db.InsertToken(t.Context(), token); err != nil {
		t.Fatalf("InsertToken: %v", err)
	}
	return token
}

func tokenReadBack(t *testing.T, o *Opener, db *storage.DB) {
	token := o.token(t, "full")
	token.Overrides = map[string]string{"stringBooleans": "true"}
	token.Domain, token.IgnorePasswords = "hr", true
	token.ExpiresAt = o.Clock.Now().Add(time.Hour)
	token.RemovalsAllowedUntil = o.Clock.Now().Add(time.Minute)
	insertToken(t, db, token)
	got, err := db.TokenByHash(t.Context(), token.Hash)
	if err != nil {
		t.Fatalf("TokenByHash: %v", err)
	}
	if diff := cmp.Diff(token, got); diff != "" {
		t.Errorf("token differs (-want +got):\n%s", diff)
	}
	_, err = db.TokenByHash(t.Context(), token.Hash[:31])
	wantIs(t, err, scim.ErrNotFound)

	o.Clock.Advance(time.Second)
	second := insertToken(t, db, o.token(t, "second"))
	all, err := db.Tokens(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != token.ID || all[1].ID != second.ID {
		t.Errorf("Tokens = %v, %v, want both, oldest first", all, err)
	}
}

func tokenNames(t *testing.T, o *Opener, db *storage.DB) {
	ctx := t.Context()
	first := o.token(t, "named")
	first.ExpiresAt = o.Clock.Now().Add(time.Hour)
	insertToken(t, db, first)
	wantConflict(t, db.InsertToken(ctx, o.token(t, "named")), "name")

	o.Clock.Advance(time.Hour) // expired
	second := insertToken(t, db, o.token(t, "named"))
	if _, err := db.UpdateToken(ctx, "named", func(t *scim.Token) error {
		t.RevokedAt = o.Clock.Now()
		return nil
	}); err != nil {
		t.Fatalf("UpdateToken: %v", err)
	}
	if got, err := db.TokenByHash(ctx, second.Hash); err != nil || got.RevokedAt.IsZero() {
		t.Errorf("TokenByHash of the revoked token = %+v, %v", got, err)
	}
	if got, err := db.TokenByHash(ctx, first.Hash); err != nil || !got.RevokedAt.IsZero() {
		t.Errorf("the expired namesake was revoked instead: %+v, %v", got, err)
	}
	o.Clock.Advance(time.Second)
	third := insertToken(t, db, o.token(t, "named"))
	_, err := db.UpdateToken(ctx, second.ID, func(t *scim.Token) error {
		t.RevokedAt = time.Time{}
		return nil
	})
	wantConflict(t, err, "name")
	if got, err := db.UpdateToken(ctx, "named", func(*scim.Token) error { return nil }); err != nil || got.ID != third.ID {
		t.Errorf("the name means %+v, %v, want the live token", got, err)
	}
}

func tokenEdits(t *testing.T, o *Opener, db *storage.DB) {
	ctx := t.Context()
	token := insertToken(t, db, o.token(t, "edited"))
	_, err := db.UpdateToken(ctx, "nobody", func(*scim.Token) error { return nil })
	wantIs(t, err, scim.ErrNotFound)
	_, err = db.UpdateToken(ctx, token.ID, func(t *scim.Token) error {
		t.Profile = "strict"
		return errOwn
	})
	wantIs(t, err, errOwn)
	got, err := db.UpdateToken(ctx, token.ID, func(t *scim.Token) error {
		if t.Profile != "compat" {
			return errors.New("a refused edit was stored")
		}
		t.RemovalsAllowedUntil = o.Clock.Now().Add(time.Hour)
		t.ID, t.Hash = "other", nil // cannot be edited
		return nil
	})
	if err != nil {
		t.Fatalf("UpdateToken: %v", err)
	}
	stored, err := db.TokenByHash(ctx, token.Hash)
	if err != nil {
		t.Fatalf("TokenByHash: %v", err)
	}
	if diff := cmp.Diff(got, stored); diff != "" {
		t.Errorf("returned and stored token differ (-returned +stored):\n%s", diff)
	}
	if stored.ID != token.ID || stored.RemovalsAllowedUntil.IsZero() {
		t.Errorf("stored token = %+v", stored)
	}
}

func tokenTouch(t *testing.T, o *Opener, db *storage.DB) {
	token := insertToken(t, db, o.token(t, "touched"))
	late := o.Clock.Now().Add(time.Minute)
	for _, at := range []time.Time{late, late.Add(-time.Second)} {
		if err := db.TouchToken(t.Context(), token.ID, at); err != nil {
			t.Fatalf("TouchToken: %v", err)
		}
	}
	got, err := db.TokenByHash(t.Context(), token.Hash)
	if err != nil || !got.LastUsedAt.Equal(late) {
		t.Errorf("LastUsedAt = %v, %v, want %v", got.LastUsedAt, err, late)
	}
}

func tokenRace(t *testing.T, o *Opener, db *storage.DB) {
	const n = 10
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		token := o.token(t, "raced")
		wg.Go(func() { errs[i] = db.InsertToken(context.Background(), token) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		wantConflict(t, err, "name")
	}
	if won != 1 {
		t.Errorf("%d tokens took the name, want 1", won)
	}
}

// Removals is the conformance suite of [scim.RemovalStore].
func Removals(t *testing.T, o *Opener) {
	db := o.Open(t)
	add := func(token string, n int, want int64) {
		t.Helper()
		now := o.Clock.Now()
		got, err := db.AddRemovals(t.Context(), token, n, now, now.Add(-time.Hour))
		if err != nil || got != want {
			t.Errorf("AddRemovals(%s, %d) = %d, %v, want %d", token, n, got, err, want)
		}
	}
	add("a", 1, 1)
	add("a", 2, 3)
	add("b", 1, 1)
	o.Clock.Advance(30 * time.Minute)
	add("a", 4, 7)
	o.Clock.Advance(31 * time.Minute)
	add("a", 1, 5)
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		now := o.Clock.Now()
		if n, err := db.AddRemovals(ctx, "a", 10, now, now.Add(-time.Hour)); n != 15 {
			t.Errorf("AddRemovals in a transaction = %d, %v, want 15", n, err)
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	add("a", 1, 6)

	nodes := []*storage.DB{db, o.Open(t)}
	const writers = 30
	var wg sync.WaitGroup
	now := o.Clock.Now()
	for i := range writers {
		wg.Go(func() {
			if _, err := nodes[i%2].AddRemovals(context.Background(), "c", 1, now, now.Add(-time.Hour)); err != nil {
				t.Errorf("AddRemovals: %v", err)
			}
		})
	}
	wg.Wait()
	add("c", 1, writers+1)
}

// Passwords is the conformance suite of [scim.PasswordStore].
func Passwords(t *testing.T, o *Opener) {
	db := o.Open(t)
	hashes := func() int64 {
		return countRaw(t, o, "SELECT count(*) FROM passwords WHERE user_id = $1 AND hash = $2", "u1", "second")
	}
	for _, hash := range []string{"first", "second"} {
		if err := db.SetPassword(t.Context(), "u1", hash, o.Clock.Now()); err != nil {
			t.Fatalf("SetPassword: %v", err)
		}
	}
	if n := hashes(); n != 1 {
		t.Errorf("the second hash stands %d times", n)
	}
	err := db.InTx(t.Context(), func(ctx context.Context) error {
		if err := db.SetPassword(ctx, "u1", "", o.Clock.Now()); err != nil {
			return err
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	if n := hashes(); n != 1 {
		t.Error("a rolled-back removal took the hash away")
	}
	if err := db.SetPassword(t.Context(), "u1", "", o.Clock.Now()); err != nil {
		t.Fatalf("SetPassword: %v", err)
	}
	if n := countRaw(t, o, "SELECT count(*) FROM passwords"); n != 0 {
		t.Errorf("%d hashes remain after removal", n)
	}
}
