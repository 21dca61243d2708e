package validation

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// board is a NoticeStore in memory whose notices are always due.
type board struct {
	NoticeStore
	rows      []Notice
	fail      error
	postponed []time.Duration
	now       time.Time
}

func (b *board) AddNotices(_ context.Context, notices ...Notice) error {
	b.rows = append(b.rows, notices...)
	return b.fail
}

func (b *board) ClaimNotices(context.Context, time.Time, time.Time, int) ([]Notice, error) {
	return slices.Clone(b.rows), b.fail
}

func (b *board) PostponeNotice(_ context.Context, _ string, next time.Time) error {
	b.postponed = append(b.postponed, next.Sub(b.now))
	return b.fail
}

func (b *board) RemoveNotice(_ context.Context, id string) error {
	b.rows = slices.DeleteFunc(b.rows, func(n Notice) bool { return n.ID == id })
	return b.fail
}

func (b *board) InTx(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

// proved is a ledger of a user who has proved every address but one.
type proved struct {
	*ledger
	except string
}

func (p proved) Validated(_ context.Context, _, _, value string) (time.Time, bool, error) {
	return time.Time{}, value != p.except, nil
}

// TestAnnounce: who is told what of a change.
func TestAnnounce(t *testing.T) {
	t.Parallel()
	const both = `{"preferredLanguage":"fr","emails":[{"type":"home","value":"home@example.com"}],"` + secondURN + `":{"secondFactorEmail":"a@example.com"}}`
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, one := range map[string]struct {
		before, after, except string
		want                  []string
	}{
		"replaced": {
			both, `{"emails":[{"type":"home","value":"home@example.com"}],"` + secondURN + `":{"secondFactorEmail":"b@example.com"}}`, "",
			[]string{"a@example.com email_replaced fr", "home@example.com email_replaced fr"},
		},
		"removed": {
			both, `{"emails":[{"type":"home","value":"home@example.com"}]}`, "",
			[]string{"a@example.com email_removed fr", "home@example.com email_removed fr"},
		},
		"never proved": {both, `{"emails":[{"type":"home","value":"home@example.com"}]}`, "a@example.com", []string{"home@example.com email_removed fr"}},
		"set":          {`{"emails":[{"type":"home","value":"home@example.com"}]}`, both, "", nil},
		"all at once": {both, `{}`, "", []string{
			"a@example.com email_removed fr", "home@example.com email_removed fr",
			"a@example.com email_removed fr", "home@example.com email_removed fr",
		}},
	} {
		b, f := &board{}, newFollower(t, &ledger{})
		f.Records, f.Notices, f.Now = proved{&ledger{}, one.except}, b, func() time.Time { return now }
		caller := scim.Caller{UserID: "u", IP: "192.0.2.7"}
		if err := f.UserChanged(t.Context(), caller, "u", decoded(t, one.before), decoded(t, one.after)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, n := range b.rows {
			got = append(got, n.To+" "+string(n.Kind)+" "+n.Language)
			if n.UserID != "u" || n.IP != caller.IP || !n.Own || !n.At.Equal(now) {
				t.Errorf("%s: %+v", name, n)
			}
		}
		if diff := cmp.Diff(one.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		b.fail = errLedger
		err := f.UserChanged(t.Context(), caller, "u", decoded(t, one.before), decoded(t, one.after))
		if errors.Is(err, errLedger) != (one.want != nil) {
			t.Errorf("%s, the notice cannot be written: %v", name, err)
		}
	}
}

// TestNoticePause: 30 s, doubling to an hour.
func TestNoticePause(t *testing.T) {
	t.Parallel()
	for attempts, want := range map[int]time.Duration{1: 30 * time.Second, 2: time.Minute, 7: 32 * time.Minute, 8: time.Hour, 1000: time.Hour} {
		if got := noticePause(attempts); got != want {
			t.Errorf("noticePause(%d) = %v, want %v", attempts, got, want)
		}
	}
}

// TestNoticeSenderGivesUp: without a provider a notice waits for a day and then
// leaves an event.
func TestNoticeSenderGivesUp(t *testing.T) {
	t.Parallel()
	providers, err := delivery.New(delivery.Config{Service: "x"})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, one := range []struct {
		age  time.Duration
		want []string
	}{{24*time.Hour - 1, nil}, {24 * time.Hour, []string{"audit " + string(audit.NoticeDropped) + " u"}}} {
		l, b := &ledger{}, &board{now: at.Add(one.age), rows: []Notice{{ID: "1", UserID: "u", At: at, To: "a@example.com", Attempts: 3}}}
		s := &NoticeSender{
			Store: b, Tx: b, Delivery: providers, Audit: l, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return b.now },
		}
		if n, err := s.Send(t.Context()); n != 0 || err != nil {
			t.Errorf("Send = %d, %v", n, err)
		}
		if diff := cmp.Diff(one.want, l.did); diff != "" || len(b.rows) != 1-len(one.want) || len(b.postponed) != 1-len(one.want) {
			t.Errorf("after %v: %d rows, postponed %v, events (-want +got):\n%s", one.age, len(b.rows), b.postponed, diff)
		}
		b.fail = errLedger
		if _, err := s.Send(t.Context()); !errors.Is(err, errLedger) {
			t.Errorf("the store fails: %v", err)
		}
	}
}
