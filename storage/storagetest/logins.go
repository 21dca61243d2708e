package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// loginCase is one case of a suite about logins.
type loginCase struct {
	name string
	run  func(*testing.T, *Opener, []*storage.DB)
}

func runLogins(t *testing.T, o *Opener, cases []loginCase) {
	t.Helper()
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

// Txns is the conformance suite of authn.TxnStore.
func Txns(t *testing.T, o *Opener) {
	runLogins(t, o, []loginCase{
		{"comes back as it was stored", txnRoundTrip},
		{"changes while it lives", txnUpdates},
		{"is spent once", txnSpent},
		{"is not spent by what is rolled back", txnRollsBack},
		{"no change is lost", txnUpdateRace},
		{"the janitor takes what is over", txnSwept},
	})
}

func newTxn(t *testing.T, o *Opener, db *storage.DB) authn.Txn {
	t.Helper()
	now := o.Clock.Now()
	txn := authn.Txn{
		ID: NewID(t), Purpose: "authorize", BrowserHash: session.Hash("browser"), Request: []byte(`{"state":"é\u0000\""}`),
		ClientID: "app", Languages: "de, en;q=0.5", LoginHint: "ann",
		Progress: authn.Progress{Select: true, Sent: &authn.Sent{
			State: "a.b", JTI: "j", Factor: acr.SMSOTP, Credential: "c", Masked: "+49 *** **12", ResendAt: now, Expires: now,
		}},
		CreatedAt: now, IdleUntil: now.Add(authn.TxnIdle), ExpiresAt: now.Add(authn.TxnAbsolute),
	}
	if err := db.InsertTxn(t.Context(), txn); err != nil {
		t.Fatalf("InsertTxn: %v", err)
	}
	return txn
}

func txnRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	txn := newTxn(t, o, nodes[0])
	got, err := nodes[1].Txn(t.Context(), txn.ID)
	unexported := cmp.AllowUnexported(authn.Txn{})
	if diff := cmp.Diff(txn, got, unexported); diff != "" || err != nil {
		t.Errorf("Txn: %v (-want +got):\n%s", err, diff)
	}
	if err := nodes[1].InsertTxn(t.Context(), txn); err == nil {
		t.Error("an id was taken twice")
	}
	_, err = nodes[0].Txn(t.Context(), NewID(t))
	wantIs(t, err, authn.ErrTxnUnknown)
	_, err = nodes[0].UpdateTxn(t.Context(), NewID(t), o.Clock.Now(), func(*authn.Txn) error { return nil })
	wantIs(t, err, authn.ErrTxnUnknown)
	wantIs(t, nodes[0].SpendTxn(t.Context(), NewID(t), o.Clock.Now()), authn.ErrTxnUnknown)
}

func txnUpdates(t *testing.T, o *Opener, nodes []*storage.DB) {
	txn := newTxn(t, o, nodes[0])
	later := txn.IdleUntil.Add(-time.Microsecond)
	got, err := nodes[1].UpdateTxn(t.Context(), txn.ID, later, func(row *authn.Txn) error {
		row.Progress, row.IdleUntil = authn.Progress{UserID: "u", SessionID: "s", Chosen: true}, later.Add(authn.TxnIdle)
		return nil
	})
	if err != nil || got.Progress.UserID != "u" {
		t.Fatalf("UpdateTxn = %+v, %v", got, err)
	}
	undo := errors.New("undo")
	_, err = nodes[0].UpdateTxn(t.Context(), txn.ID, later, func(row *authn.Txn) error {
		row.Progress.UserID = "v"
		return undo
	})
	wantIs(t, err, undo)
	if stored, err := nodes[0].Txn(t.Context(), txn.ID); err != nil || stored.Progress.UserID != "u" || !stored.IdleUntil.Equal(later.Add(authn.TxnIdle)) {
		t.Errorf("Txn = %+v, %v", stored, err)
	}
	for _, over := range []time.Time{later.Add(authn.TxnIdle), txn.ExpiresAt} {
		_, err = nodes[0].UpdateTxn(t.Context(), txn.ID, over, func(*authn.Txn) error { return nil })
		wantIs(t, err, authn.ErrTxnExpired)
		wantIs(t, nodes[1].SpendTxn(t.Context(), txn.ID, over), authn.ErrTxnExpired)
	}
}

func txnSpent(t *testing.T, o *Opener, nodes []*storage.DB) {
	txn := newTxn(t, o, nodes[0])
	now := o.Clock.Now()
	var won atomic.Int64
	var wg sync.WaitGroup
	for n := range 40 {
		wg.Go(func() {
			switch err := nodes[n%2].SpendTxn(t.Context(), txn.ID, now); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, authn.ErrTxnSpent):
				t.Errorf("SpendTxn: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d callers spent it, want 1", won.Load())
	}
	_, err := nodes[0].UpdateTxn(t.Context(), txn.ID, now, func(*authn.Txn) error { return nil })
	wantIs(t, err, authn.ErrTxnSpent)
	if got, err := nodes[1].Txn(t.Context(), txn.ID); err != nil || !got.IssuedAt.Equal(now) {
		t.Errorf("issued at %v, %v", got.IssuedAt, err)
	}
}

func txnRollsBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	txn := newTxn(t, o, nodes[0])
	undo := errors.New("undo")
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if err := nodes[0].SpendTxn(ctx, txn.ID, o.Clock.Now()); err != nil {
			return err
		}
		if err := nodes[0].SpendTxn(ctx, txn.ID, o.Clock.Now()); !errors.Is(err, authn.ErrTxnSpent) {
			return fmt.Errorf("spent twice in one transaction: %w", err)
		}
		return undo
	})
	wantIs(t, err, undo)
	if err := nodes[1].SpendTxn(t.Context(), txn.ID, o.Clock.Now()); err != nil {
		t.Errorf("SpendTxn after the roll-back: %v", err)
	}
}

func txnUpdateRace(t *testing.T, o *Opener, nodes []*storage.DB) {
	txn := newTxn(t, o, nodes[0])
	var wg sync.WaitGroup
	for n := range 30 {
		wg.Go(func() {
			_, err := nodes[n%2].UpdateTxn(t.Context(), txn.ID, o.Clock.Now(), func(row *authn.Txn) error {
				row.Progress.Verify = append(row.Progress.Verify, fmt.Sprint(n))
				return nil
			})
			if err != nil {
				t.Errorf("UpdateTxn: %v", err)
			}
		})
	}
	wg.Wait()
	if got, err := nodes[0].Txn(t.Context(), txn.ID); err != nil || len(got.Progress.Verify) != 30 {
		t.Errorf("%d changes, %v, want 30", len(got.Progress.Verify), err)
	}
}

func txnSwept(t *testing.T, o *Opener, nodes []*storage.DB) {
	txn := newTxn(t, o, nodes[0])
	orphan := newProof(t, newSession(t, o, NewID(t)), acr.TOTP, o.Clock.Now(), "otp")
	s := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	if err := nodes[0].AddProof(t.Context(), orphan, o.Clock.Now()); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("a proof without a session: %v", err)
	}
	o.Clock.Advance(authn.TxnAbsolute)
	if _, err := nodes[1].Sweep(t.Context()); err != nil {
		t.Fatalf("Sweep: %v", err)
	}
	if _, err := nodes[0].Txn(t.Context(), txn.ID); err != nil {
		t.Errorf("it does not answer for a while: %v", err)
	}
	o.Clock.Advance(2 * time.Hour)
	swept, err := nodes[1].Sweep(t.Context())
	if err != nil || swept.Logins < 2 { // the transaction, and the ledger of the session that has ended
		t.Errorf("Sweep = %+v, %v", swept, err)
	}
	_, err = nodes[0].Txn(t.Context(), txn.ID)
	wantIs(t, err, authn.ErrTxnUnknown)
	if n, err := nodes[0].ForgetProofs(t.Context(), s.UserID, acr.Password, ""); n != 0 || err != nil {
		t.Errorf("%d proofs of an ended session are left, %v", n, err)
	}
}

// Ledgers is the conformance suite of session.Store beyond Sessions.
func Ledgers(t *testing.T, o *Opener) {
	runLogins(t, o, []loginCase{
		{"comes back by its secret with its proofs", ledgerRoundTrip},
		{"ends with its idle limit", ledgerIdle},
		{"the secret is replaced once", ledgerRotates},
		{"a proof goes to its user's session alone", ledgerProofs},
		{"proofs of a credential are forgotten", ledgerForgets},
	})
}

func secretSession(t *testing.T, o *Opener, db *storage.DB, secret string) session.Session {
	t.Helper()
	s := newSession(t, o, NewID(t))
	s.SecretHash, s.IdleUntil = session.Hash(secret), s.CreatedAt.Add(30*time.Minute)
	return startSession(t, db, s)
}

func ledgerRoundTrip(t *testing.T, o *Opener, nodes []*storage.DB) {
	secret := NewID(t)
	s := secretSession(t, o, nodes[0], secret)
	got, err := nodes[1].SessionBySecret(t.Context(), session.Hash(secret), o.Clock.Now())
	if diff := cmp.Diff(s, got); diff != "" || err != nil {
		t.Errorf("SessionBySecret: %v (-want +got):\n%s", err, diff)
	}
	got, err = nodes[1].SessionByID(t.Context(), s.ID, o.Clock.Now())
	if diff := cmp.Diff(s, got); diff != "" || err != nil {
		t.Errorf("SessionByID: %v (-want +got):\n%s", err, diff)
	}
	for _, hash := range [][]byte{nil, {}, session.Hash(""), session.Hash(secret + "x"), session.Hash(secret)[:31]} {
		_, err = nodes[0].SessionBySecret(t.Context(), hash, o.Clock.Now())
		wantIs(t, err, session.ErrNotFound)
	}
	if err := nodes[0].StartSession(t.Context(), func() session.Session {
		twin := newSession(t, o, s.UserID)
		twin.SecretHash = s.SecretHash
		return twin
	}()); err == nil {
		t.Error("two sessions have one secret")
	}
}

func ledgerIdle(t *testing.T, o *Opener, nodes []*storage.DB) {
	secret := NewID(t)
	s := secretSession(t, o, nodes[0], secret)
	_, err := nodes[0].SessionBySecret(t.Context(), s.SecretHash, s.IdleUntil)
	wantIs(t, err, session.ErrNotFound)
	later := s.IdleUntil.Add(time.Minute)
	for _, until := range []time.Time{later, s.IdleUntil} { // the second shortens nothing
		if err := nodes[1].ExtendSession(t.Context(), s.ID, until); err != nil {
			t.Fatalf("ExtendSession: %v", err)
		}
	}
	got, err := nodes[0].SessionBySecret(t.Context(), s.SecretHash, s.IdleUntil)
	if err != nil || !got.IdleUntil.Equal(later) {
		t.Errorf("idle until %v, %v, want %v", got.IdleUntil, err, later)
	}
	if err := nodes[1].ExtendSession(t.Context(), s.ID, s.ExpiresAt.Add(time.Hour)); err != nil {
		t.Fatalf("ExtendSession: %v", err)
	}
	_, err = nodes[0].SessionByID(t.Context(), s.ID, s.ExpiresAt)
	wantIs(t, err, session.ErrNotFound)
	endless := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	if err := nodes[1].ExtendSession(t.Context(), endless.ID, o.Clock.Now()); err != nil {
		t.Fatalf("ExtendSession: %v", err)
	}
	if _, err := nodes[0].SessionByID(t.Context(), endless.ID, endless.ExpiresAt.Add(-time.Second)); err != nil {
		t.Errorf("a session without an idle limit got one: %v", err)
	}
}

func ledgerRotates(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := secretSession(t, o, nodes[0], NewID(t))
	var won atomic.Int64
	var wg sync.WaitGroup
	for n := range 20 {
		next := session.Hash(fmt.Sprint(s.ID, n))
		wg.Go(func() {
			err := nodes[n%2].RotateSession(t.Context(), s.ID, s.SecretHash, next, s.IdleUntil, o.Clock.Now())
			switch {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, session.ErrNotFound):
				t.Errorf("RotateSession: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d rotations, want 1", won.Load())
	}
	_, err := nodes[0].SessionBySecret(t.Context(), s.SecretHash, o.Clock.Now())
	wantIs(t, err, session.ErrNotFound)
	now, err := nodes[0].SessionByID(t.Context(), s.ID, o.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	wantIs(t, nodes[1].RotateSession(t.Context(), s.ID, now.SecretHash, session.Hash("x"), s.IdleUntil, s.IdleUntil), session.ErrNotFound)
}

func ledgerProofs(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := secretSession(t, o, nodes[0], NewID(t))
	p := newProof(t, s, acr.TOTP, o.Clock.Now(), "otp")
	if err := nodes[1].AddProof(t.Context(), p, o.Clock.Now()); err != nil {
		t.Fatalf("AddProof: %v", err)
	}
	got, err := nodes[0].SessionByID(t.Context(), s.ID, o.Clock.Now())
	if diff := cmp.Diff(append(s.Proofs, p), got.Proofs); diff != "" || err != nil {
		t.Errorf("ledger: %v (-want +got):\n%s", err, diff)
	}
	foreign := newProof(t, s, acr.TOTP, o.Clock.Now(), "otp")
	foreign.User = NewID(t)
	wantIs(t, nodes[0].AddProof(t.Context(), foreign, o.Clock.Now()), session.ErrNotFound)
	late := newProof(t, s, acr.TOTP, o.Clock.Now(), "otp")
	wantIs(t, nodes[0].AddProof(t.Context(), late, s.IdleUntil), session.ErrNotFound)
	if ended, err := nodes[0].EndSession(t.Context(), s.UserID, s.ID, o.Clock.Now()); !ended || err != nil {
		t.Fatalf("EndSession = %v, %v", ended, err)
	}
	wantIs(t, nodes[0].AddProof(t.Context(), late, o.Clock.Now()), session.ErrNotFound)
	if n, err := nodes[0].ForgetProofs(t.Context(), s.UserID, acr.TOTP, ""); n != 0 || err != nil {
		t.Errorf("the ledger outlived its session: %d, %v", n, err)
	}
}

func ledgerForgets(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := secretSession(t, o, nodes[0], NewID(t))
	other := startSession(t, nodes[0], newSession(t, o, s.UserID))
	stranger := startSession(t, nodes[0], newSession(t, o, NewID(t)))
	for _, of := range []session.Session{s, other, stranger} {
		for _, credential := range []string{"a", "b"} {
			p := newProof(t, of, acr.SMSOTP, o.Clock.Now(), "sms")
			p.Credential = credential
			if err := nodes[0].AddProof(t.Context(), p, o.Clock.Now()); err != nil {
				t.Fatalf("AddProof: %v", err)
			}
		}
	}
	for _, c := range []struct {
		credential string
		want       int64
	}{{"a", 2}, {"a", 0}, {"", 2}, {"", 0}} {
		if n, err := nodes[1].ForgetProofs(t.Context(), s.UserID, acr.SMSOTP, c.credential); n != c.want || err != nil {
			t.Errorf("ForgetProofs(%q) = %d, %v, want %d", c.credential, n, err, c.want)
		}
	}
	got, err := nodes[0].SessionByID(t.Context(), s.ID, o.Clock.Now())
	if err != nil || len(got.Proofs) != 1 || got.Proofs[0].Factor != acr.Password {
		t.Errorf("ledger %+v, %v", got.Proofs, err)
	}
	if got, err = nodes[0].SessionByID(t.Context(), stranger.ID, o.Clock.Now()); err != nil || len(got.Proofs) != 3 {
		t.Errorf("ledger of another user %+v, %v", got.Proofs, err)
	}
}

// LoginUsers is the conformance suite of authn.UserStore and of the part of
// authn.PasswordStore that PasswordStates leaves out.
func LoginUsers(t *testing.T, o *Opener) {
	runLogins(t, o, []loginCase{
		{"by name, else by the one address", loginByNameOrEmail},
		{"with state and epoch", loginState},
		{"a newer hash ends nothing", loginHash},
	})
}

func addLogin(t *testing.T, o *Opener, db *storage.DB, name string, emails ...string) string {
	t.Helper()
	object := schema.Object{"userName": name, "active": true}
	for _, e := range emails {
		list, _ := object["emails"].([]any)
		object["emails"] = append(list, schema.Object{"value": e})
	}
	rt := o.Type(t, "User")
	return Add(t, db, rt, o.Record(t, rt, object)).ID
}

func loginByNameOrEmail(t *testing.T, o *Opener, nodes []*storage.DB) {
	ann := addLogin(t, o, nodes[0], "Ann.Login", "ann@one.example", "shared@one.example")
	bob := addLogin(t, o, nodes[0], "bob@one.example", "shared@one.example", "Bob@Home.example")
	addLogin(t, o, nodes[0], "carl.login", "bob@one.example") // the name of bob
	for login, want := range map[string]string{
		"ann.login": ann, "ANN.LOGIN": ann, "ann@one.example": ann, "ANN@one.EXAMPLE": ann,
		"bob@one.example": bob, "bob@home.example": bob,
		"shared@one.example": "", "": "", "ann": "", "ann.login%": "", "*": "", "nobody@one.example": "", "a\x00b": "",
	} {
		got, err := nodes[1].UserByLogin(t.Context(), login)
		if want == "" {
			wantIs(t, err, authn.ErrNoUser)
			continue
		}
		if err != nil || got.ID != want {
			t.Errorf("UserByLogin(%q) = %s, %v, want %s", login, got.ID, err, want)
		}
	}
}

func loginState(t *testing.T, o *Opener, nodes []*storage.DB) {
	id := addLogin(t, o, nodes[0], "State.Login")
	if err := nodes[0].SetPassword(t.Context(), id, "$", o.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	got, err := nodes[1].UserByID(t.Context(), id)
	if err != nil || got.UserName != "State.Login" || !got.Active || got.Epoch != 1 || got.Object["userName"] != "State.Login" || got.Modified.IsZero() {
		t.Errorf("UserByID = %+v, %v", got, err)
	}
	rt := o.Type(t, "User")
	rec := Add(t, nodes[0], rt, o.Record(t, rt, schema.Object{"userName": "idle.login", "active": false}))
	if got, err = nodes[1].UserByLogin(t.Context(), "idle.login"); err != nil || got.Active || got.ID != rec.ID {
		t.Errorf("UserByLogin of an inactive user = %+v, %v", got, err)
	}
	_, err = nodes[1].UserByID(t.Context(), NewID(t))
	wantIs(t, err, authn.ErrNoUser)
}

func loginHash(t *testing.T, o *Opener, nodes []*storage.DB) {
	user := NewID(t)
	at := o.Clock.Now()
	if err := nodes[0].SetPassword(t.Context(), user, "old", at); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][3]string{{"other", "newer", "old"}, {"old", "new", "new"}, {"old", "late", "new"}} {
		o.Clock.Advance(time.Minute)
		if err := nodes[1].ReplaceHash(t.Context(), user, c[0], c[1]); err != nil {
			t.Fatalf("ReplaceHash: %v", err)
		}
		got, err := nodes[0].Password(t.Context(), user)
		if err != nil || got.Hash != c[2] || !got.ChangedAt.Equal(at) {
			t.Errorf("after %v: %+v, %v", c, got, err)
		}
	}
	if credential, _, err := nodes[0].Epochs(t.Context(), user, ""); credential != 1 || err != nil {
		t.Errorf("epoch %d, %v", credential, err)
	}
}

// Outbox is the conformance suite of authn.OutboxStore.
func Outbox(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	now := o.Clock.Now()
	code := authn.QueuedCode{
		ID: NewID(t), UserID: NewID(t), Channel: delivery.SMS, To: "+4915112345678", Code: "123456", Language: "de",
		Expires: now.Add(5 * time.Minute), DestHash: []byte{1, 2}, Prefix: "49", Path: "secondFactorPhoneNumber", Client: "app",
	}
	if err := nodes[0].QueueCode(t.Context(), code); err != nil {
		t.Fatalf("QueueCode: %v", err)
	}
	var mu sync.Mutex
	var claimed []authn.QueuedCode
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			got, err := nodes[n%2].ClaimCodes(t.Context(), now, now.Add(time.Minute), 5)
			if err != nil {
				t.Errorf("ClaimCodes: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			claimed = append(claimed, got...)
		})
	}
	wg.Wait()
	same := cmp.Comparer(func(a, b delivery.Code) bool { return a == b })
	if diff := cmp.Diff([]authn.QueuedCode{code}, claimed, same); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
	if again, err := nodes[1].ClaimCodes(t.Context(), now.Add(time.Minute), now.Add(2*time.Minute), 5); len(again) != 1 || err != nil {
		t.Errorf("after the claim: %d, %v", len(again), err)
	}
	if over, err := nodes[1].ClaimCodes(t.Context(), code.Expires, code.Expires.Add(time.Minute), 5); len(over) != 0 || err != nil {
		t.Errorf("after its time: %d, %v", len(over), err)
	}
	var sealed []byte
	err := o.Raw(t).QueryRowContext(t.Context(), "SELECT sealed FROM login_codes").Scan(&sealed)
	if err != nil || len(sealed) < 100 || bytes.Contains(sealed, []byte("123456")) || bytes.Contains(sealed, []byte(code.To)) {
		t.Errorf("stored as %q, %v", sealed, err)
	}
	if err := nodes[0].RemoveCode(t.Context(), code.ID); err != nil {
		t.Fatalf("RemoveCode: %v", err)
	}
	if left, err := nodes[1].ClaimCodes(t.Context(), now.Add(3*time.Minute), now.Add(4*time.Minute), 5); len(left) != 0 || err != nil {
		t.Errorf("after the removal: %d, %v", len(left), err)
	}
}
