package storagetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
)

// SecondPasswords is the conformance suite of validation.SecondPasswordStore.
func SecondPasswords(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"a second password is what was stored", secondRoundTrip},
		{"a newer hash replaces the very hash that it was made from", secondRehash},
		{"its setting goes with it", secondSetting},
		{"it ends with its user", secondEndsWithUser},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

func setSecond(t *testing.T, db *storage.DB, p validation.SecondPassword) validation.SecondPassword {
	t.Helper()
	id, err := db.SetSecondPassword(t.Context(), p)
	if err != nil || id == "" {
		t.Fatalf("SetSecondPassword = %q, %v", id, err)
	}
	p.ID = id
	return p
}

func secondRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	_, err := nodes[0].SecondPassword(t.Context(), user)
	wantIs(t, err, validation.ErrNoSecondPassword)
	first := setSecond(t, nodes[0], validation.SecondPassword{ID: "not read", UserID: user, Hash: "hash one", ChangedAt: o.Clock.Now()})
	got, err := nodes[1].SecondPassword(t.Context(), user)
	if diff := cmp.Diff(first, got); err != nil || diff != "" {
		t.Errorf("SecondPassword, %v (-want +got):\n%s", err, diff)
	}
	second := setSecond(t, nodes[1], validation.SecondPassword{UserID: user, Hash: "hash two", ChangedAt: o.Clock.Now()})
	if second.ID == first.ID {
		t.Error("another password has the id of the former one")
	}
	held, err := nodes[0].Holdings(t.Context(), user)
	if err != nil || held.SecondPassword != second.ID {
		t.Errorf("Holdings.SecondPassword = %q, %v, want %q", held.SecondPassword, err, second.ID)
	}
	for i, want := range []bool{true, false} {
		if had, err := nodes[0].DeleteSecondPassword(t.Context(), user); err != nil || had != want {
			t.Errorf("DeleteSecondPassword %d = %v, %v, want %v", i, had, err, want)
		}
	}
	for name, p := range map[string]validation.SecondPassword{"no user": {Hash: "h"}, "no hash": {UserID: user}} {
		if _, err := nodes[0].SetSecondPassword(t.Context(), p); err == nil {
			t.Errorf("%s: SetSecondPassword took it", name)
		}
	}
}

func secondRehash(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := setSecond(t, nodes[0], validation.SecondPassword{UserID: NewID(t), Hash: "old", ChangedAt: o.Clock.Now()})
	for _, c := range []struct{ old, hash, want string }{
		{"another", "newer", "old"},
		{"old", "newer", "newer"},
		{"old", "late", "newer"},
	} {
		if err := nodes[1].ReplaceSecondHash(t.Context(), p.UserID, c.old, c.hash); err != nil {
			t.Fatal(err)
		}
		got, err := nodes[0].SecondPassword(t.Context(), p.UserID)
		if err != nil || got.Hash != c.want || got.ID != p.ID {
			t.Errorf("after %q to %q: %q of %s, %v, want %q of the same id", c.old, c.hash, got.Hash, got.ID, err, c.want)
		}
	}
}

func secondSetting(t *testing.T, o *Opener, nodes []*storage.DB) {
	p := setSecond(t, nodes[0], validation.SecondPassword{UserID: NewID(t), Hash: "h", ChangedAt: o.Clock.Now()})
	nameCredential(t, nodes[0], p.UserID, validation.SecondPasswordCredential(p.ID))
	nameCredential(t, nodes[0], p.UserID, "totp:other")
	p = setSecond(t, nodes[1], p)
	nameCredential(t, nodes[0], p.UserID, validation.SecondPasswordCredential(p.ID))
	if _, err := nodes[1].DeleteSecondPassword(t.Context(), p.UserID); err != nil {
		t.Fatal(err)
	}
	wantSettings(t, nodes[0], p.UserID, "totp:other")
}

func nameCredential(t *testing.T, db *storage.DB, user, credential string) {
	t.Helper()
	err := db.SetCredential(t.Context(), user, credential, func(s *validation.CredentialSetting) error {
		s.Name = "mine"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func wantSettings(t *testing.T, db *storage.DB, user string, credentials ...string) {
	t.Helper()
	held, err := db.Holdings(t.Context(), user)
	if err != nil || len(held.Settings) != len(credentials) {
		t.Errorf("settings %v, %v, want those of %v", held.Settings, err, credentials)
	}
	for _, c := range credentials {
		if _, ok := held.Settings[c]; !ok {
			t.Errorf("the setting of %s is gone", c)
		}
	}
}

func secondEndsWithUser(t *testing.T, o *Opener, nodes []*storage.DB) {
	r := Add(t, nodes[0], o.Type(t, "User"), o.User(t, "second-leaver@example.com"))
	setSecond(t, nodes[0], validation.SecondPassword{UserID: r.ID, Hash: "h", ChangedAt: o.Clock.Now()})
	if err := nodes[0].Delete(t.Context(), o.Type(t, "User"), r.ID); err != nil {
		t.Fatal(err)
	}
	_, err := nodes[1].SecondPassword(t.Context(), r.ID)
	wantIs(t, err, validation.ErrNoSecondPassword)
}
