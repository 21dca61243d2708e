package authn_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/text/unicode/norm"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/throttle"
	vtotp "github.com/sallyport-id/sallyport/validation/totp"
)

// The words of ann and bob.
const (
	annPassword = "correct horse battery"
	bobPassword = "staple of another horse"
	annEmail    = "ann@example.org"
	annPhone    = "+4915112345678"
)

// quickHasher hashes without being slow, and counts the work. Hashes that
// begin with "old:" want to be replaced.
type quickHasher struct{ verified, dummies atomic.Int64 }

func (h *quickHasher) sum(text string) string {
	sum := sha256.Sum256([]byte(norm.NFC.String(text)))
	return hex.EncodeToString(sum[:])
}

func (h *quickHasher) Hash(ctx context.Context, text string, _ schema.Object) (string, error) {
	return h.Rehash(ctx, text)
}

func (h *quickHasher) Rehash(_ context.Context, text string) (string, error) {
	return "new:" + h.sum(text), nil
}

func (h *quickHasher) Verify(_ context.Context, hash, text string) (bool, error) {
	h.verified.Add(1)
	if hash == "" {
		h.dummies.Add(1)
	}
	_, sum, _ := strings.Cut(hash, ":")
	return sum == h.sum(text), nil
}

func (h *quickHasher) NeedsRehash(hash string) bool { return strings.HasPrefix(hash, "old:") }
func (h *quickHasher) Rules() validation.PasswordRules {
	return validation.PasswordRules{MinLength: 8, MaxLength: 64}
}

func (h *quickHasher) Judge(text string, user schema.Object) (validation.PasswordFaults, error) {
	return validation.PasswordFaults{Length: len(text) < 8 || len(text) > 64, Listed: user["userName"] != nil && text == "in the list"}, nil
}

// want is what a transaction of the tests asks for.
type want struct {
	ACRs     []string       `json:"acrs"`
	Floors   []string       `json:"floors,omitempty"`
	MaxAge   *time.Duration `json:"max_age,omitempty"`
	Login    bool           `json:"login,omitempty"`
	Silent   bool           `json:"silent,omitempty"`
	Subject  string         `json:"subject,omitempty"`
	MayEnrol bool           `json:"may_enrol,omitempty"`
}

// reach is a transaction that asks for ACRs, the first best.
func reach(acrs ...string) want { return want{ACRs: acrs} }

const day12, day6 = 12 * time.Hour, 6 * time.Hour

// acrs are those that the tests ask for by name.
func acrs() map[string]acr.ACR {
	second := []acr.Factor{acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP}
	return map[string]acr.ACR{
		"Default": {Name: "Default", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(day12)}}},
		"MFA": {Name: "MFA", Distinct: true, Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(day12)}, {AnyOf: second, MaxAge: new(day6)},
		}},
		"Mail": {Name: "Mail", Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password, acr.EmailOTP, acr.SMSOTP}, MaxAge: new(day12)},
		}},
		"Remembered": {Name: "Remembered", Distinct: true, Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(day12)},
			{AnyOf: []acr.Factor{acr.Device, acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP}, MaxAge: new(10 * 24 * time.Hour)},
		}},
		"Optional": {Name: "Optional", Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(day12)},
			{Chain: []acr.Link{{Factor: acr.TOTP, Control: acr.OptionalContinue}, {Factor: acr.EmailOTP, Control: acr.RequiredContinue}}, MaxAge: new(day6)},
		}},
		"Gate": {Name: "Gate", Distinct: true, Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(day12)}, {AnyOf: []acr.Factor{"gate", acr.TOTP}, MaxAge: new(day6)},
		}},
		"App": {Name: "App", Distinct: true, Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(day12)}, {AnyOf: []acr.Factor{acr.TOTP}, MaxAge: new(day6)},
		}},
		"GateFirst": {Name: "GateFirst", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password, "gate"}, MaxAge: new(day12)}}},
		"Abroad": {Name: "Abroad", Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password, acr.Federated}, MaxAge: new(day12)},
		}},
		"MailTwice": {Name: "MailTwice", Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.EmailOTP}, MaxAge: new(day12)}, {AnyOf: second, MaxAge: new(day6)},
		}},
	}
}

// Requirement implements authn.Purpose by what the transaction carries.
func (w *world) Requirement(_ context.Context, t authn.Txn) (acr.Requirement, error) {
	var asked want
	if err := json.Unmarshal(t.Request, &asked); err != nil {
		return acr.Requirement{}, err
	}
	r := acr.Requirement{MaxAge: asked.MaxAge, Login: asked.Login, Silent: asked.Silent, Subject: asked.Subject, Asked: true, MayEnrol: asked.MayEnrol}
	for _, name := range asked.ACRs {
		r.Candidates = append(r.Candidates, acrs()[name])
	}
	for _, name := range append(asked.Floors, t.Progress.Verify...) {
		r.Floors = append(r.Floors, acrs()[name])
	}
	return r, nil
}

// world is an engine on a database, with a clock of its own and two users.
type world struct {
	*testing.T
	o      *storagetest.Opener
	db     *storage.DB
	engine *authn.Engine
	hasher *quickHasher
	paths  *validation.Paths
	states *state.Sealer
	limits limits
	ann    string // has a password, and what the test enrols
	bob    string // has a password
	rt     *schema.ResourceType
	users  map[string]*scim.Record
	app    string // base32 secret of ann's authenticator app
	cfg    authn.Config
}

type limits struct {
	passwords *throttle.Passwords
	factors   *throttle.Factors
}

// eachWorld runs a test on both databases.
func eachWorld(t *testing.T, run func(t *testing.T, w *world)) {
	t.Helper()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) { run(t, newWorld(t, o)) })
}

func newWorld(t *testing.T, o *storagetest.Opener) *world {
	t.Helper()
	w := &world{T: t, o: o, db: o.Open(t), hasher: &quickHasher{}, rt: o.Type(t, "User"), users: map[string]*scim.Record{}}
	w.engine = w.node(w.db, nil)
	w.ann = w.user(schema.Object{
		"userName": "Ann", "active": true, "displayName": "Ann Veil",
		"emails": []any{schema.Object{"value": "ann@work.example", "type": "work"}},
	}, annPassword)
	w.bob = w.user(schema.Object{"userName": "bob", "active": true}, bobPassword)
	return w
}

// node is an engine on a handle of the database, changed by edit.
func (w *world) node(db *storage.DB, edit func(*authn.Config)) *authn.Engine {
	w.Helper()
	now := w.o.Clock.Now
	hash := must(throttle.NewHasher(make([]byte, throttle.KeySize)))(w)
	w.limits.passwords = must(throttle.NewPasswords(throttle.PasswordsConfig{Store: db, Hash: hash, Now: now}))(w)
	w.limits.factors = must(throttle.NewFactors(db, throttle.Limits{}, now))(w)
	w.paths = must(validation.NewPaths(w.o.Config.Registry, nil, nil))(w)
	w.states = state.NewSealer(state.NewRing(db, now), now)
	w.cfg = authn.Config{
		Users: db, Txns: db, Sessions: db, Ender: db, Tx: db, Passwords: db, Hasher: w.hasher,
		PasswordTries: w.limits.passwords, Factors: w.limits.factors,
		Sends:    must(throttle.NewSends(throttle.SendsConfig{Store: db, Hash: hash, Now: now}))(w),
		Outcomes: must(throttle.NewOutcomes(db, now))(w), Hash: hash,
		Challenges: db, Secrets: db, Held: db, Settings: db, Extras: db, Devices: db, Records: db, Paths: w.paths, States: w.states,
		Delivery: must(delivery.New(delivery.Config{Service: "Test", Inbox: db, Now: now}))(w),
		Outbox:   db, Audit: db, Skew: 1, KnownKey: make([]byte, 32),
		Logger: slog.New(slog.NewTextHandler(w.Output(), nil)), Now: now,
	}
	if edit != nil {
		edit(&w.cfg)
	}
	e := must(authn.New(w.cfg))(w)
	e.Handle("test", w)
	return e
}

// must unwraps a value whose error ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func (w *world) check(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// user adds a user with a password.
func (w *world) user(object schema.Object, password string) string {
	w.Helper()
	r := storagetest.Add(w, w.db, w.rt, w.o.Record(w, w.rt, object))
	w.users[r.ID] = r
	hash, err := w.hasher.Rehash(w.Context(), password)
	w.check(err)
	w.check(w.db.SetPassword(w.Context(), r.ID, hash, w.o.Clock.Now()))
	return r.ID
}

// edit changes the document of a user.
func (w *world) edit(id string, change func(o schema.Object)) {
	w.Helper()
	r := w.o.Next(w, w.users[id], change)
	w.check(w.db.InTx(w.Context(), func(ctx context.Context) error { return w.db.Update(ctx, w.rt, r) }))
	w.users[id] = r
}

func (w *world) active(id string, active bool) {
	w.Helper()
	w.edit(id, func(o schema.Object) { o["active"] = active })
}

// second switches the second factor of a user on or off.
func (w *world) second(id string, enabled bool) {
	w.Helper()
	w.edit(id, func(o schema.Object) { extension(o)["secondFactorEnabled"] = enabled })
}

func extension(o schema.Object) schema.Object {
	x, ok := o[schema.SecondFactorURN].(schema.Object)
	if !ok {
		x = schema.Object{}
		o[schema.SecondFactorURN] = x
	}
	return x
}

// enrolApp gives ann an authenticator app.
func (w *world) enrolApp() {
	w.Helper()
	secret := vtotp.NewSecret(vtotp.Default())
	w.app = secret.Base32()
	w.check(w.db.PutTOTP(w.Context(), vtotp.Enrolment{
		UserID: w.ann, Secret: secret, Algorithm: vtotp.SHA1, Digits: 6, Period: 30 * time.Second, CreatedAt: w.o.Clock.Now(),
	}))
	w.second(w.ann, true)
}

// enrolAddress gives a user a validated address, or number.
func (w *world) enrolAddress(id, attribute, value string) {
	w.Helper()
	w.edit(id, func(o schema.Object) { extension(o)[attribute] = value })
	for _, p := range w.paths.All() {
		if strings.HasSuffix(p.Text, attribute) {
			w.check(w.db.SetValidated(w.Context(), id, schema.SecondFactorURN+":"+attribute, value, w.o.Clock.Now()))
			return
		}
	}
	w.Fatalf("no path %s", attribute)
}

func (w *world) appCode() string {
	w.Helper()
	return must(totp.GenerateCode(w.app, w.o.Clock.Now()))(w)
}

// lastCode is the code of the newest message in the inbox.
func (w *world) lastCode() string {
	w.Helper()
	all, err := w.db.InboxMessages(w.Context(), w.o.Clock.Now())
	w.check(err)
	if len(all) == 0 {
		w.Fatal("nothing was sent")
	}
	newest := all[0]
	for _, m := range all {
		if m.CreatedAt.After(newest.CreatedAt) {
			newest = m
		}
	}
	return newest.Code
}

func (w *world) messages() int {
	w.Helper()
	all, err := w.db.InboxMessages(w.Context(), w.o.Clock.Now())
	w.check(err)
	return len(all)
}

// events are the audit events of a name.
func (w *world) events(name audit.Name) []audit.Event {
	w.Helper()
	return must(w.db.Events(w.Context(), audit.Filter{Name: name, Limit: 1000}))(w)
}

// browser keeps cookies.
type browser struct {
	*world
	e *authn.Engine
	v authn.Visitor
}

func (w *world) browser() *browser {
	return &browser{world: w, e: w.engine, v: authn.Visitor{
		Browser: authn.NewSecret(), IP: netip.MustParseAddr("192.0.2.1"), UserAgent: "test/1.0", RequestID: "r1",
	}}
}

// take keeps what a step grants.
func (b *browser) take(g authn.Grants) {
	if g.Sessions != nil {
		b.v.Sessions = g.Sessions
	}
	if g.Known != nil {
		b.v.Known = g.Known
	}
	if g.Devices != nil {
		b.v.Devices = g.Devices
	}
}

// begin starts a kept transaction.
func (b *browser) begin(r want, edits ...func(*authn.NewTxn)) string {
	b.Helper()
	request, err := json.Marshal(r)
	b.check(err)
	n := authn.NewTxn{Purpose: "test", ClientID: "app", Request: request}
	for _, edit := range edits {
		edit(&n)
	}
	t, err := b.e.Begin(b.v, n)
	b.check(err)
	b.check(b.e.Keep(b.Context(), t))
	return t.ID
}

func (b *browser) load(id string) authn.Txn {
	b.Helper()
	return must(b.e.Load(b.Context(), b.v, id))(b)
}

func (b *browser) next(id string) authn.Step {
	b.Helper()
	step, grants, err := b.e.Next(b.Context(), b.v, b.load(id))
	b.check(err)
	b.take(grants)
	return step
}

// login posts name and password.
func (b *browser) login(id, name, password string) error {
	b.Helper()
	g, err := b.e.Login(b.Context(), b.v, b.load(id), name, password)
	b.take(g)
	return err
}

func (b *browser) code(id, code string) error {
	b.Helper()
	g, err := b.e.Code(b.Context(), b.v, b.load(id), code)
	b.take(g)
	return err
}

func (b *browser) choose(id, login string, f acr.Factor, credential string) error {
	b.Helper()
	return b.e.Choose(b.Context(), b.v, b.load(id), login, f, credential)
}

// issue finishes a transaction.
func (b *browser) issue(id string) (authn.Ready, error) {
	b.Helper()
	t, err := b.e.Load(b.Context(), b.v, id)
	if err != nil {
		return authn.Ready{}, err
	}
	var ready authn.Ready
	err = b.e.Issue(b.Context(), b.v, t, func(_ context.Context, r authn.Ready) error {
		ready = r
		return nil
	})
	return ready, err
}

// must follow what a person does, each step of which has to work.
func (b *browser) mustLogin(id, name, password string) {
	b.Helper()
	if err := b.login(id, name, password); err != nil {
		b.Fatalf("log in as %s: %v", name, err)
	}
}

func (b *browser) mustCode(id, code string) {
	b.Helper()
	if err := b.code(id, code); err != nil {
		b.Fatalf("code: %v", err)
	}
}

func (b *browser) mustIssue(id string) authn.Ready {
	b.Helper()
	return must(b.issue(id))(b)
}

// refused checks the reason of a refusal and returns it.
func refused(tb testing.TB, err error, reason authn.RefusalReason) *authn.Refusal {
	tb.Helper()
	r, ok := errors.AsType[*authn.Refusal](err)
	if !ok || r.Reason != reason {
		tb.Fatalf("got %v, want the refusal %s", err, reason)
	}
	return r
}

// stepIs returns the step as the kind that it must be.
func stepIs[T authn.Step](tb testing.TB, s authn.Step) T {
	tb.Helper()
	out, ok := s.(T)
	if !ok {
		tb.Fatalf("step is %T %+v, want %T", s, s, out)
	}
	return out
}
