package validation

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
)

// ledger is a Records, a challenge.Store and an audit.Log that writes down what
// is asked of it.
type ledger struct {
	challenge.Store
	did  []string
	fail string // the call that fails
}

var errLedger = errors.New("ledger is full")

func (l *ledger) note(parts ...string) error {
	call := strings.Join(parts, " ")
	if l.fail != "" && strings.HasPrefix(call, l.fail) {
		return errLedger
	}
	l.did = append(l.did, call)
	return nil
}

func (l *ledger) Epochs(context.Context, string, string) (int64, int64, error) { return 0, 0, nil }

func (l *ledger) BumpCredentialEpoch(_ context.Context, user string) error {
	return l.note("credential", user)
}

func (l *ledger) BumpFactorEpoch(_ context.Context, user, path string) error {
	return l.note("epoch", user, path)
}

func (l *ledger) SetValidated(context.Context, string, string, string, time.Time) error { return nil }

func (l *ledger) SetAssigned(context.Context, string, string, string) error { return nil }

func (l *ledger) Assigned(context.Context, string, string, string) (bool, error) { return false, nil }

func (l *ledger) Validated(context.Context, string, string, string) (time.Time, bool, error) {
	return time.Time{}, false, nil
}

func (l *ledger) ClearValidated(_ context.Context, user string, paths ...string) (int64, error) {
	return 1, l.note(append([]string{"clear", user}, paths...)...)
}

func (l *ledger) VoidPath(_ context.Context, user, kind, path string) error {
	return l.note("void", user, kind, path)
}

func (l *ledger) VoidAll(_ context.Context, user string, kinds ...string) (int64, error) {
	return 0, l.note(append([]string{"void all", user}, kinds...)...)
}

func (l *ledger) Append(_ context.Context, events ...audit.Event) error {
	for _, e := range events {
		if err := l.note("audit", string(e.Name), e.Target.ID); err != nil {
			return err
		}
	}
	return nil
}

func newFollower(t *testing.T, l *ledger) *Follower {
	t.Helper()
	paths, err := NewPaths(registry(t), []string{"secondFactorEmail", `home=emails[type eq "home"].value`}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Follower{
		Paths: paths, Records: l, Challenges: l, Audit: l,
		Lost: func(_ context.Context, c scim.Caller, user, factor string) error {
			return l.note("lost", c.Name, user, factor)
		},
	}
}

// TestFollower: what each change of a value leads to.
func TestFollower(t *testing.T) {
	t.Parallel()
	const email, home = secondURN + ":secondFactorEmail", `emails[type eq "home"].value`
	ended := func(path string) []string {
		return []string{"clear u " + path, "epoch u " + path, "void u email " + path}
	}
	second := func(value string) string { return `{"` + secondURN + `":{"secondFactorEmail":"` + value + `"}}` }
	for name, one := range map[string]struct {
		before, after string
		want          []string
	}{
		"nothing":           {second("a@example.com"), second("a@example.com"), nil},
		"case of a domain":  {second("a@example.com"), second("a@EXAMPLE.com"), nil},
		"something else":    {`{"title":"x"}`, `{"title":"y"}`, nil},
		"set":               {`{}`, second("a@example.com"), ended(email)},
		"replaced":          {second("a@example.com"), second("b@example.com"), append(ended(email), "audit factor.replaced u", "lost c u "+email)},
		"case of a mailbox": {second("a@example.com"), second("A@example.com"), append(ended(email), "audit factor.replaced u", "lost c u "+email)},
		"cleared":           {second("a@example.com"), `{}`, append(ended(email), "audit factor.removed u", "lost c u "+email)},
		"element replaced": {
			`{"emails":[{"type":"work","value":"w@example.com"},{"type":"home","value":"a@example.com"}]}`,
			`{"emails":[{"type":"work","value":"x@example.com"},{"type":"home","value":"b@example.com"}]}`,
			append(ended(home), "audit factor.replaced u", "lost c u "+home),
		},
		"element put before": {
			`{"emails":[{"type":"home","value":"a@example.com"}]}`,
			`{"emails":[{"type":"home","value":"b@example.com"},{"type":"home","value":"a@example.com"}]}`,
			append(ended(home), "audit factor.replaced u", "lost c u "+home),
		},
		"type of the element": {
			`{"emails":[{"type":"home","value":"a@example.com"}]}`, `{"emails":[{"type":"work","value":"a@example.com"}]}`,
			append(ended(home), "audit factor.removed u", "lost c u "+home),
		},
	} {
		l := &ledger{}
		if err := newFollower(t, l).UserChanged(t.Context(), scim.Caller{Name: "c"}, "u", decoded(t, one.before), decoded(t, one.after)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(one.want, l.did); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	l := &ledger{}
	f := newFollower(t, l)
	for _, one := range [][2]string{{"", second("a@example.com")}, {second("a@example.com"), ""}} {
		before, after := decodedOrNil(t, one[0]), decodedOrNil(t, one[1])
		if err := f.UserChanged(t.Context(), scim.Caller{}, "u", before, after); err != nil || l.did != nil {
			t.Errorf("created or deleted: %v, %v", err, l.did)
		}
	}
	if err := f.Deactivated(t.Context(), "u"); err != nil || !slices.Equal(l.did, []string{"credential u", "void all u"}) {
		t.Errorf("deactivated: %v, %v", err, l.did)
	}
}

// TestFollowerFails: the change fails with whatever cannot be written.
func TestFollowerFails(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"clear", "epoch", "void", "audit", "lost"} {
		l := &ledger{fail: step}
		err := newFollower(t, l).UserChanged(t.Context(), scim.Caller{}, "u",
			decoded(t, `{"`+secondURN+`":{"secondFactorEmail":"a@example.com"}}`), decoded(t, `{}`))
		if !errors.Is(err, errLedger) {
			t.Errorf("%s fails: %v, want the error", step, err)
		}
	}
	for _, step := range []string{"credential", "void all"} {
		if err := newFollower(t, &ledger{fail: step}).Deactivated(t.Context(), "u"); !errors.Is(err, errLedger) {
			t.Errorf("%s fails: %v, want the error", step, err)
		}
	}
}

// TestNewChecksItsConfig: every missing field is named at once.
func TestNewChecksItsConfig(t *testing.T) {
	t.Parallel()
	_, err := New(Config{})
	if err == nil {
		t.Fatal("an empty Config passes")
	}
	for _, field := range []string{
		"Front", "Directory", "Tx", "Records", "Challenges", "Secrets", "States", "Sends", "Factors",
		"Outcomes", "Hash", "Delivery", "Audit", "Follower", "Paths", "Issuer", "Now",
	} {
		if !strings.Contains(err.Error(), "validation: "+field+" is required") {
			t.Errorf("%s is not named in %v", field, err)
		}
	}
}
