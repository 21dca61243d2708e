package validation

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// sessionsFake holds one session.
type sessionsFake struct {
	SessionStore
	session Session
	err     error
}

func (f *sessionsFake) LiveSession(_ context.Context, userID, id string, _ time.Time) (Session, error) {
	if f.err != nil {
		return Session{}, f.err
	}
	if f.session.UserID != userID || f.session.ID != id {
		return Session{}, scim.ErrNotFound
	}
	return f.session, nil
}

// recordsFake knows which values are validated.
type recordsFake struct {
	Records
	validated map[string]string // canonical path -> value
	err       error
}

func (f *recordsFake) Validated(_ context.Context, _, path, value string) (time.Time, bool, error) {
	return time.Time{}, value != "" && f.validated[path] == value, f.err
}

// holdingsFake is what a user has besides attributes.
type holdingsFake struct {
	has Holdings
	err error
}

func (f *holdingsFake) Holdings(context.Context, string) (Holdings, error) { return f.has, f.err }

type stepUpWorld struct {
	*StepUp
	sessions *sessionsFake
	records  *recordsFake
	held     *holdingsFake
	now      time.Time
}

const emailCanonical = schema.SecondFactorURN + ":secondFactorEmail"

func newStepUpWorld(t *testing.T) *stepUpWorld {
	t.Helper()
	registry, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	paths, err := NewPaths(registry, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := &stepUpWorld{
		sessions: &sessionsFake{session: Session{ID: "s", UserID: "u"}}, records: &recordsFake{}, held: &holdingsFake{},
		now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
	}
	w.StepUp, err = NewStepUp(StepUpConfig{
		Sessions: w.sessions, Records: w.records, Held: w.held, Paths: paths, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// user is a document with an address and the flag.
func stepUpUser(address string, enabled any) schema.Object {
	ext := schema.Object{}
	if address != "" {
		ext["secondFactorEmail"] = address
	}
	if enabled != nil {
		ext["secondFactorEnabled"] = enabled
	}
	o := schema.Object{"userName": "u"}
	if len(ext) > 0 {
		o[schema.SecondFactorURN] = ext
	}
	return o
}

var ownCaller = scim.Caller{UserID: "u", SessionID: "s"}

// wantDetail checks the answer of a check; "" is a pass.
func wantDetail(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		e := scim.AsError(err)
		got = e.Detail
		if e.Status != http.StatusUnauthorized {
			t.Errorf("%s: %v, want 401", what, err)
		}
	}
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

const (
	askFactor  = "A recent second factor is required."
	askLogin   = "A recent login is required."
	askNothing = ""
	badToken   = "Access token is expired or otherwise invalid."
)

// The rule of section 6.4, case by case.
func TestStepUpCheck(t *testing.T) {
	t.Parallel()
	const never = -1
	for name, c := range map[string]struct {
		login, factor int // seconds ago
		validated     string
		totp          bool
		user          schema.Object
		want          string
	}{
		"no factor, fresh login":                 {0, never, "", false, stepUpUser("", nil), askNothing},
		"no factor, login at the limit":          {900, never, "", false, stepUpUser("", nil), askNothing},
		"no factor, login too old":               {901, never, "", false, stepUpUser("", nil), askLogin},
		"the flag is no factor":                  {900, never, "", false, stepUpUser("", true), askNothing},
		"an address that nobody validated":       {900, never, "", false, stepUpUser("a@example.com", true), askNothing},
		"another address was validated":          {900, never, "b@example.com", false, stepUpUser("a@example.com", true), askNothing},
		"the validated one is gone":              {900, never, "a@example.com", false, stepUpUser("", true), askNothing},
		"validated address, login only":          {0, never, "a@example.com", false, stepUpUser("a@example.com", nil), askFactor},
		"validated address, flag off":            {0, never, "a@example.com", false, stepUpUser("a@example.com", false), askFactor},
		"validated address in another case":      {0, never, "a@example.com", false, stepUpUser("a@EXAMPLE.com", nil), askFactor},
		"app, login only":                        {0, never, "", true, stepUpUser("", nil), askFactor},
		"app, factor at the limit":               {9999, 300, "", true, stepUpUser("", nil), askNothing},
		"app, factor too old":                    {0, 301, "", true, stepUpUser("", nil), askFactor},
		"no factor, old login, later factor":     {9999, 900, "", false, stepUpUser("", nil), askNothing},
		"no factor, both too old":                {9999, 901, "", false, stepUpUser("", nil), askLogin},
		"never a login, never a factor":          {never, never, "", false, stepUpUser("", nil), askLogin},
		"never a login, never a factor, but app": {never, never, "", true, stepUpUser("", nil), askFactor},
	} {
		w := newStepUpWorld(t)
		if c.login != never {
			w.sessions.session.LoginAt = w.now.Add(-time.Duration(c.login) * time.Second)
		}
		if c.factor != never {
			w.sessions.session.SecondFactorAt = w.now.Add(-time.Duration(c.factor) * time.Second)
		}
		w.records.validated, w.held.has = map[string]string{emailCanonical: c.validated}, heldApp(c.totp)
		wantDetail(t, name, w.Check(t.Context(), ownCaller, "u", c.user), c.want)
	}
}

func heldApp(has bool) Holdings {
	if !has {
		return Holdings{}
	}
	return Holdings{App: &HeldApp{ID: "app"}}
}

// Whatever a user could show beside the password is a factor, also what is
// switched off for logins.
func TestStepUpCountsEveryFactor(t *testing.T) {
	t.Parallel()
	off := map[string]CredentialSetting{"passkey:k": {Off: true}}
	for name, c := range map[string]struct {
		has  Holdings
		want string
	}{
		"passkey":                        {Holdings{Passkeys: []HeldPasskey{{ID: "k"}}}, askFactor},
		"passkey, switched off":          {Holdings{Passkeys: []HeldPasskey{{ID: "k"}}, Settings: off}, askFactor},
		"further app":                    {Holdings{Apps: []HeldApp{{ID: "a"}}}, askFactor},
		"further address":                {Holdings{Addresses: []ExtraAddress{{ID: "a"}}}, askFactor},
		"second password, same category": {Holdings{SecondPassword: "p"}, askNothing},
		"recovery codes are for a loss":  {Holdings{RecoverySet: "r", RecoveryLeft: 10}, askNothing},
	} {
		w := newStepUpWorld(t)
		w.sessions.session.LoginAt, w.held.has = w.now, c.has
		wantDetail(t, name, w.Check(t.Context(), ownCaller, "u", stepUpUser("", nil)), c.want)
	}
}

// Who is asked: users in their sessions, for others with their own factor;
// never provisioning.
func TestStepUpCallers(t *testing.T) {
	t.Parallel()
	w := newStepUpWorld(t)
	w.sessions.session.LoginAt = w.now
	wantDetail(t, "provisioning", w.Check(t.Context(), scim.Caller{TokenID: "t"}, "u", stepUpUser("", nil)), askNothing)
	wantDetail(t, "a token that outlives its session", w.Check(t.Context(), scim.Caller{UserID: "u"}, "u", stepUpUser("", nil)), askLogin)
	wantDetail(t, "a session of somebody else", w.Check(t.Context(), scim.Caller{UserID: "other", SessionID: "s"}, "u", stepUpUser("", nil)), badToken)
	wantDetail(t, "an administrator's login", w.Check(t.Context(), ownCaller, "other", stepUpUser("", nil)), askFactor)
	w.sessions.session.SecondFactorAt = w.now.Add(-301 * time.Second)
	wantDetail(t, "an administrator's old factor", w.Check(t.Context(), ownCaller, "other", stepUpUser("", nil)), askFactor)
	w.sessions.session.SecondFactorAt = w.now.Add(-300 * time.Second)
	wantDetail(t, "an administrator's factor", w.Check(t.Context(), ownCaller, "other", stepUpUser("", nil)), askNothing)
}

// What cannot be looked up is refused, never assumed.
func TestStepUpFailsClosed(t *testing.T) {
	t.Parallel()
	gone := errors.New("database is gone")
	for name, spoil := range map[string]func(*stepUpWorld){
		"sessions": func(w *stepUpWorld) { w.sessions.err = gone },
		"records":  func(w *stepUpWorld) { w.records.err = gone },
		"holdings": func(w *stepUpWorld) { w.held.err = gone },
	} {
		w := newStepUpWorld(t)
		w.sessions.session.LoginAt = w.now
		spoil(w)
		if err := w.Check(t.Context(), ownCaller, "u", stepUpUser("a@example.com", nil)); !errors.Is(err, gone) {
			t.Errorf("%s: %v, want the failure", name, err)
		}
	}
}

// Which writes of the record ask: those that touch a factor, the flag to
// anything but true, and the password.
func TestStepUpConcerns(t *testing.T) {
	t.Parallel()
	w := newStepUpWorld(t)
	a := stepUpUser("a@example.com", true)
	for name, c := range map[string]struct {
		change scim.Change
		asks   bool
	}{
		"nothing of it":        {scim.Change{Before: a, After: stepUpUser("a@example.com", true)}, false},
		"flag on":              {scim.Change{Before: stepUpUser("", nil), After: stepUpUser("", true)}, false},
		"flag on from false":   {scim.Change{Before: stepUpUser("", false), After: stepUpUser("", true)}, false},
		"flag off":             {scim.Change{Before: a, After: stepUpUser("a@example.com", false)}, true},
		"flag removed":         {scim.Change{Before: a, After: stepUpUser("a@example.com", nil)}, true},
		"flag false from none": {scim.Change{Before: stepUpUser("", nil), After: stepUpUser("", false)}, true},
		"address changed":      {scim.Change{Before: a, After: stepUpUser("b@example.com", true)}, true},
		"address in new case":  {scim.Change{Before: a, After: stepUpUser("A@example.com", true)}, true},
		"address removed":      {scim.Change{Before: a, After: stepUpUser("", true)}, true},
		"address added":        {scim.Change{Before: stepUpUser("", true), After: a}, true},
		"extension removed":    {scim.Change{Before: a, After: schema.Object{"userName": "u"}}, true},
		"password":             {scim.Change{Before: a, After: a, Password: true}, true},
	} {
		c.change.ID = "u"
		err := w.Allow(t.Context(), ownCaller, c.change)
		if asked := err != nil; asked != c.asks {
			t.Errorf("%s: %v, want asked %v", name, err, c.asks)
		}
		if err := w.Allow(t.Context(), scim.Caller{TokenID: "t"}, c.change); err != nil {
			t.Errorf("%s: provisioning was asked: %v", name, err)
		}
	}
}

// Property: a caller who passes has a second factor of the last 300 seconds, or
// has no factor enrolled and some proof of the last 900.
func TestStepUpProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newStepUpWorld(t)
		login, factor := rapid.IntRange(0, 2000).Draw(rt, "login"), rapid.IntRange(0, 2000).Draw(rt, "factor")
		w.sessions.session.LoginAt = w.now.Add(-time.Duration(login) * time.Second)
		second := rapid.Bool().Draw(rt, "second")
		if second {
			w.sessions.session.SecondFactorAt = w.now.Add(-time.Duration(factor) * time.Second)
		}
		app := rapid.Bool().Draw(rt, "app")
		w.held.has = heldApp(app)
		subject := rapid.SampledFrom([]string{"u", "other"}).Draw(rt, "subject")
		passed := w.Check(t.Context(), ownCaller, subject, stepUpUser("", true)) == nil
		fresh := second && factor <= 300
		want := fresh || subject == "u" && !app && (login <= 900 || second && factor <= 900)
		if passed != want {
			rt.Errorf("passed %v, want %v", passed, want)
		}
	})
}

func TestNewStepUpChecks(t *testing.T) {
	t.Parallel()
	good := newStepUpWorld(t).cfg
	for name, spoil := range map[string]func(*StepUpConfig){
		"no sessions":   func(c *StepUpConfig) { c.Sessions = nil },
		"no records":    func(c *StepUpConfig) { c.Records = nil },
		"no holdings":   func(c *StepUpConfig) { c.Held = nil },
		"no paths":      func(c *StepUpConfig) { c.Paths = nil },
		"no clock":      func(c *StepUpConfig) { c.Now = nil },
		"age too short": func(c *StepUpConfig) { c.Age = 59 * time.Second },
		"age too long":  func(c *StepUpConfig) { c.Age = time.Hour + 1 },
		"login too old": func(c *StepUpConfig) { c.LoginAge = 2 * time.Hour },
	} {
		bad := good
		spoil(&bad)
		if _, err := NewStepUp(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
