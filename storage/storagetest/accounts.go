package storagetest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// AccountFlows is the conformance suite of account.Store.
func AccountFlows(t *testing.T, o *Opener) {
	runLogins(t, o, []loginCase{
		{"comes back as it was stored", flowRoundTrip},
		{"is found by its link while it has one", flowByLink},
		{"moves on from its stage alone", flowMoves},
		{"of many that move it on one does", flowRace},
		{"what is rolled back did not move", flowRollsBack},
		{"those of a user end, but one", flowsEnd},
		{"a sealed row does not open elsewhere", flowSealed},
		{"the janitor takes what is over", flowSwept},
	})
}

func newFlow(t *testing.T, o *Opener, db *storage.DB, edit func(*account.Flow)) account.Flow {
	t.Helper()
	now := o.Clock.Now()
	f := account.Flow{
		ID: NewID(t), Kind: account.Password, UserID: NewID(t), BrowserHash: session.Hash("browser"), Stage: account.Sent,
		Doc: account.Doc{
			Login: "änn\u2028", Channel: delivery.SMS, Values: map[string]string{"givenName": "A"}, Languages: "de", Return: "r",
			ResendAt: now, CodeKey: []byte{0, 1}, CodeMAC: []byte{2}, CodeExpires: now, To: "+4915112345678", Epoch: 7,
			UserName: "ann", SendID: "s", Mailed: true,
		},
		CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
	f.LinkHash = session.Hash("link " + f.ID)
	if edit != nil {
		edit(&f)
	}
	if err := db.InsertFlow(t.Context(), f); err != nil {
		t.Fatalf("InsertFlow: %v", err)
	}
	return f
}

func wantFlow(t *testing.T, db *storage.DB, want account.Flow) {
	t.Helper()
	got, err := db.Flow(t.Context(), want.ID)
	if err != nil {
		t.Fatalf("Flow: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flow (-want +got):\n%s", diff)
	}
}

func flowRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	wantFlow(t, nodes[1], newFlow(t, o, nodes[0], nil))
	wantFlow(t, nodes[1], newFlow(t, o, nodes[0], func(f *account.Flow) {
		*f = account.Flow{ID: f.ID, Kind: account.SignUp, Stage: account.Sent, CreatedAt: f.CreatedAt, ExpiresAt: f.ExpiresAt}
	}))
	if _, err := nodes[0].Flow(t.Context(), NewID(t)); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("unknown flow: %v", err)
	}
}

func flowByLink(t *testing.T, o *Opener, nodes []*storage.DB) {
	f := newFlow(t, o, nodes[0], nil)
	got, err := nodes[1].FlowByLink(t.Context(), f.LinkHash)
	if err != nil || got.ID != f.ID {
		t.Errorf("by its link: %v, %v", got.ID, err)
	}
	_, err = nodes[0].UpdateFlow(t.Context(), f.ID, account.Sent, o.Clock.Now(), func(row *account.Flow) error {
		row.LinkHash = nil
		return nil
	})
	if err != nil {
		t.Fatalf("UpdateFlow: %v", err)
	}
	for _, hash := range [][]byte{f.LinkHash, nil, {}, session.Hash("other")} {
		if _, err := nodes[1].FlowByLink(t.Context(), hash); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("by %x: %v", hash, err)
		}
	}
}

func flowMoves(t *testing.T, o *Opener, nodes []*storage.DB) {
	f := newFlow(t, o, nodes[0], nil)
	now := o.Clock.Now()
	move := func(from, to account.Stage, at time.Time) error {
		var err error
		got, err := nodes[0].UpdateFlow(t.Context(), f.ID, from, at, func(row *account.Flow) error {
			row.Stage, row.Doc.To, row.UserID = to, "another", "u"
			row.ExpiresAt = now.Add(time.Minute)
			return nil
		})
		if err == nil {
			f = got
		}
		return err
	}
	if err := move(account.Proved, account.Ended, now); !errors.Is(err, account.ErrOver) {
		t.Errorf("from another stage: %v", err)
	}
	if err := move(account.Sent, account.Proved, now); err != nil {
		t.Fatalf("from its stage: %v", err)
	}
	wantFlow(t, nodes[1], f)
	if err := move(account.Sent, account.Proved, now); !errors.Is(err, account.ErrOver) {
		t.Errorf("twice: %v", err)
	}
	if err := move(account.Proved, account.Ended, now.Add(time.Minute)); !errors.Is(err, account.ErrOver) {
		t.Errorf("at its end: %v", err)
	}
	mine := errors.New("mine")
	_, err := nodes[0].UpdateFlow(t.Context(), f.ID, account.Proved, now, func(*account.Flow) error { return mine })
	if !errors.Is(err, mine) {
		t.Errorf("the error of an edit: %v", err)
	}
	_, err = nodes[0].UpdateFlow(t.Context(), NewID(t), account.Sent, now, func(*account.Flow) error { return nil })
	if !errors.Is(err, account.ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
}

func flowRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	f := newFlow(t, o, nodes[0], nil)
	now := o.Clock.Now()
	var moved, over atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			_, err := nodes[i%2].UpdateFlow(t.Context(), f.ID, account.Sent, now, func(row *account.Flow) error {
				row.Stage, row.BrowserHash = account.Proved, session.Hash(fmt.Sprint(i))
				return nil
			})
			switch {
			case err == nil:
				moved.Add(1)
			case errors.Is(err, account.ErrOver):
				over.Add(1)
			default:
				t.Errorf("UpdateFlow: %v", err)
			}
		})
	}
	all.Wait()
	if moved.Load() != 1 || over.Load() != 39 {
		t.Errorf("%d moved it on, %d were too late", moved.Load(), over.Load())
	}
}

func flowRollsBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	f := newFlow(t, o, nodes[0], nil)
	undo := errors.New("undo")
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		_, err := nodes[0].UpdateFlow(ctx, f.ID, account.Sent, o.Clock.Now(), func(row *account.Flow) error {
			row.Stage = account.Ended
			return nil
		})
		return errors.Join(err, undo)
	})
	if !errors.Is(err, undo) {
		t.Fatalf("InTx: %v", err)
	}
	wantFlow(t, nodes[1], f)
}

func flowsEnd(t *testing.T, o *Opener, nodes []*storage.DB) {
	user, now := NewID(t), o.Clock.Now()
	about := func(f *account.Flow) { f.UserID = user }
	kept, gone := newFlow(t, o, nodes[0], about), newFlow(t, o, nodes[0], about)
	newFlow(t, o, nodes[0], func(f *account.Flow) { f.UserID = "" })
	n, err := nodes[0].EndFlows(t.Context(), user, kept.ID, now)
	if err != nil || n != 1 {
		t.Errorf("EndFlows: %d, %v", n, err)
	}
	wantFlow(t, nodes[1], kept)
	if _, err := nodes[1].FlowByLink(t.Context(), gone.LinkHash); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("link of one that ended: %v", err)
	}
	_, err = nodes[1].UpdateFlow(t.Context(), gone.ID, account.Sent, now, func(*account.Flow) error { return nil })
	if !errors.Is(err, account.ErrOver) {
		t.Errorf("one that ended: %v", err)
	}
	if n, err := nodes[0].EndFlows(t.Context(), "", "", now); err != nil || n != 0 {
		t.Errorf("EndFlows of nobody: %d, %v", n, err)
	}
}

// flowSealed: what was typed and the keys of codes are not readable in the
// database, and a row moved to another id does not open.
func flowSealed(t *testing.T, o *Opener, nodes []*storage.DB) {
	a, b := newFlow(t, o, nodes[0], nil), newFlow(t, o, nodes[0], nil)
	raw := o.Raw(t)
	var sealed []byte
	var kid string
	if err := raw.QueryRowContext(t.Context(), "SELECT kid, sealed FROM account_flows WHERE id = $1", a.ID).Scan(&kid, &sealed); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("ann")) || bytes.Contains(sealed, []byte("+49151")) {
		t.Error("the row is readable")
	}
	execRaw(t, raw, "UPDATE account_flows SET sealed = $1 WHERE id = $2", sealed, b.ID)
	if f, err := nodes[0].Flow(t.Context(), b.ID); err == nil {
		t.Errorf("a sealed value of another row opens: %+v", f)
	}
	execRaw(t, raw, "DELETE FROM account_flows WHERE id = $1", b.ID)
}

func execRaw(t *testing.T, raw *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := raw.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func flowSwept(t *testing.T, o *Opener, nodes []*storage.DB) {
	old := newFlow(t, o, nodes[0], func(f *account.Flow) { f.ExpiresAt = o.Clock.Now().Add(-2 * time.Hour) })
	recent := newFlow(t, o, nodes[0], func(f *account.Flow) { f.ExpiresAt = o.Clock.Now().Add(-time.Minute) })
	if _, err := nodes[0].Sweep(t.Context()); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if _, err := nodes[0].Flow(t.Context(), old.ID); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("old flow: %v", err)
	}
	wantFlow(t, nodes[0], recent)
}

// AccountMessages is the conformance suite of account.MessageStore.
func AccountMessages(t *testing.T, o *Opener) {
	runLogins(t, o, []loginCase{
		{"is claimed once at a time", messageClaimed},
		{"of many that claim one gets it", messageRace},
	})
}

func messageClaimed(t *testing.T, o *Opener, nodes []*storage.DB) {
	now := o.Clock.Now()
	m := account.Message{
		ID: NewID(t), FlowID: NewID(t), Expires: now.Add(time.Hour), IP: "192.0.2.1", RequestID: "r", UserAgent: "a", Link: "token",
	}
	over := account.Message{ID: NewID(t), FlowID: NewID(t), Expires: now}
	for _, one := range []account.Message{m, over} {
		if err := nodes[0].QueueAccountMessage(t.Context(), one); err != nil {
			t.Fatalf("QueueAccountMessage: %v", err)
		}
	}
	claim := func(db *storage.DB, at time.Time) []account.Message {
		got, err := db.ClaimAccountMessages(t.Context(), at, at.Add(time.Minute), 10)
		if err != nil {
			t.Fatalf("ClaimAccountMessages: %v", err)
		}
		return got
	}
	if diff := cmp.Diff([]account.Message{m}, claim(nodes[0], now)); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	if got := claim(nodes[1], now.Add(59*time.Second)); len(got) != 0 {
		t.Errorf("claimed again: %v", got)
	}
	if got := claim(nodes[1], now.Add(time.Minute)); len(got) != 1 {
		t.Errorf("after the claim: %v", got)
	}
	if err := nodes[0].RemoveAccountMessage(t.Context(), m.ID); err != nil {
		t.Fatalf("RemoveAccountMessage: %v", err)
	}
	if got := claim(nodes[1], now.Add(3*time.Minute)); len(got) != 0 {
		t.Errorf("removed: %v", got)
	}
}

func messageRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	now := o.Clock.Now()
	for range 5 {
		err := nodes[0].QueueAccountMessage(t.Context(), account.Message{ID: NewID(t), FlowID: "f", Expires: now.Add(time.Hour)})
		if err != nil {
			t.Fatalf("QueueAccountMessage: %v", err)
		}
	}
	var mu sync.Mutex
	var got []string
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			claimed, err := nodes[i%2].ClaimAccountMessages(t.Context(), now, now.Add(time.Minute), 2)
			if err != nil {
				t.Errorf("ClaimAccountMessages: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, m := range claimed {
				if slices.Contains(got, m.ID) {
					t.Errorf("message %s was claimed twice", m.ID)
				}
				got = append(got, m.ID)
			}
		})
	}
	all.Wait()
	if len(got) == 0 {
		t.Error("nobody got anything")
	}
}

// PasswordHistory is the suite of what is kept of earlier passwords.
func PasswordHistory(t *testing.T, o *Opener) {
	o.Config.PasswordHistory = 2
	db := o.Open(t)
	user := NewID(t)
	for i, hash := range []string{"one", "two", "three", "four", "", "five"} {
		o.Clock.Advance(time.Second)
		if err := db.SetPassword(t.Context(), user, hash, o.Clock.Now()); err != nil {
			t.Fatalf("SetPassword %d: %v", i, err)
		}
	}
	got, err := db.EarlierPasswords(t.Context(), user, 10)
	if err != nil {
		t.Fatalf("EarlierPasswords: %v", err)
	}
	if want := []string{"four", "three"}; !slices.Equal(got, want) {
		t.Errorf("earlier passwords %q, want %q", got, want)
	}
	mustChange(t, db, user)
}

// mustChange: a reason goes with the demand, and away with it.
func mustChange(t *testing.T, db *storage.DB, user string) {
	t.Helper()
	want := func(must bool, reason string) {
		t.Helper()
		state, err := db.Password(t.Context(), user)
		if err != nil || state.MustChange != must || state.Reason != reason {
			t.Errorf("must change %v, reason %q: %v", state.MustChange, state.Reason, err)
		}
	}
	want(false, "")
	if err := db.MustChangeFor(t.Context(), user, validation.MustCompromised); err != nil {
		t.Fatalf("MustChangeFor: %v", err)
	}
	want(true, validation.MustCompromised)
	if err := db.SetMustChange(t.Context(), user, true); err != nil {
		t.Fatalf("SetMustChange: %v", err)
	}
	want(true, "")
	if err := db.SetMustChange(t.Context(), user, false); err != nil {
		t.Fatalf("SetMustChange: %v", err)
	}
	want(false, "")
}
