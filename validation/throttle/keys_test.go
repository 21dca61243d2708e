package throttle_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/validation/throttle"
)

func fixedNow() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

func hasher(tb testing.TB) *throttle.Hasher {
	tb.Helper()
	h, err := throttle.NewHasher([]byte(strings.Repeat("k", throttle.KeySize)))
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

// recorder is a store that takes every send and remembers what it counted.
type recorder struct {
	series []throttle.Series
	counts [][]throttle.Count
	ended  [][]byte
	err    error
}

func (r *recorder) TakeSend(_ context.Context, _ time.Time, s throttle.Series, counts []throttle.Count) (throttle.Taken, throttle.Decision, error) {
	r.series, r.counts = append(r.series, s), append(r.counts, counts)
	return throttle.Taken{}, throttle.Decision{Allowed: true}, r.err
}

func (r *recorder) GiveBackSend(context.Context, throttle.Taken) error { return r.err }

func (r *recorder) EndSeries(_ context.Context, key []byte) error {
	r.ended = append(r.ended, key)
	return r.err
}

func sends(tb testing.TB, store throttle.SendStore, l throttle.Limits) *throttle.Sends {
	tb.Helper()
	s, err := throttle.NewSends(throttle.SendsConfig{Store: store, Limits: l, Hash: hasher(tb), Now: fixedNow})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// keysOf returns the key of each limit that a send counts under.
func keysOf(tb testing.TB, send throttle.Send) map[string]string {
	tb.Helper()
	r := &recorder{}
	s := sends(tb, r, throttle.Limits{SpendDay: 100})
	if _, _, err := s.Take(tb.Context(), send); err != nil {
		tb.Fatal(err)
	}
	out := map[string]string{throttle.LimitSeries: string(r.series[0].Key)}
	for _, c := range r.counts[0] {
		out[c.Limit] = string(c.Key)
	}
	return out
}

// TestWhatIsCounted lists the limits of each kind of send with their numbers.
func TestWhatIsCounted(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	s := sends(t, r, throttle.Limits{SpendDay: 70})
	for _, send := range []throttle.Send{
		{User: "u", Destination: "a@example.com"},
		{User: "u", Destination: "a@example.com", IP: netip.MustParseAddr("192.0.2.1"), Client: "c"},
		{User: "u", Destination: "+4915112345678", Telephone: true, Prefix: "49", Cost: 7},
	} {
		if _, _, err := s.Take(t.Context(), send); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		Limit  string
		Max    int64
		Weight int64
		Window time.Duration
	}
	var got [][]row
	for _, counts := range r.counts {
		var rows []row
		for _, c := range counts {
			rows = append(rows, row{c.Limit, c.Max, c.Weight, c.Window})
		}
		got = append(got, rows)
	}
	common := []row{
		{"destination_hour", 5, 1, time.Hour}, {"destination_day", 10, 1, 24 * time.Hour}, {"user_day", 10, 1, 24 * time.Hour},
	}
	with := func(more ...row) []row { return append(append([]row(nil), common...), more...) }
	want := [][]row{
		with(row{"email_minute", 3000, 1, time.Minute}),
		with(row{"ip_hour", 10, 1, time.Hour}, row{"client_hour", 600, 1, time.Hour}, row{"email_minute", 3000, 1, time.Minute}),
		with(row{"adjacent_numbers", 5, 1, 10 * time.Minute}, row{"prefix_minute", 30, 1, time.Minute},
			row{"telephone_minute", 300, 1, time.Minute}, row{"spend_day", 70, 7, 24 * time.Hour}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// TestOtherSpellings is part of case send_limits: other spellings of an address
// do not begin new counters, other values do.
func TestOtherSpellings(t *testing.T) {
	t.Parallel()
	base := throttle.Send{User: "u", Destination: "dr.veil@example.com", IP: netip.MustParseAddr("2001:db8:1:2:3::4"), Client: "c"}
	for name, c := range map[string]struct {
		edit func(*throttle.Send)
		same []string
		diff []string
	}{
		"local part in capitals": {
			func(s *throttle.Send) { s.Destination = "Dr.Veil@example.com" },
			[]string{"destination_hour", "destination_day", "resend", "user_day", "ip_hour", "client_hour"},
			nil,
		},
		"another address of the /64": {
			func(s *throttle.Send) { s.IP = netip.MustParseAddr("2001:db8:1:2:ffff::1") },
			[]string{"ip_hour", "resend"},
			nil,
		},
		"an address with a zone": {
			func(s *throttle.Send) { s.IP = s.IP.WithZone("eth0") },
			[]string{"ip_hour"},
			nil,
		},
		"another /64": {
			func(s *throttle.Send) { s.IP = netip.MustParseAddr("2001:db8:1:3::4") },
			[]string{"resend"},
			[]string{"ip_hour"},
		},
		"another user": {
			func(s *throttle.Send) { s.User = "v" },
			[]string{"destination_hour", "destination_day"},
			[]string{"resend", "user_day"},
		},
		"another destination": {
			func(s *throttle.Send) { s.Destination = "dr.veil@example.org" },
			[]string{"user_day"},
			[]string{"resend", "destination_hour", "destination_day"},
		},
	} {
		before := keysOf(t, base)
		send := base
		c.edit(&send)
		after := keysOf(t, send)
		for _, limit := range c.same {
			if before[limit] == "" || before[limit] != after[limit] {
				t.Errorf("%s: another counter for %s", name, limit)
			}
		}
		for _, limit := range c.diff {
			if before[limit] == after[limit] {
				t.Errorf("%s: the same counter for %s", name, limit)
			}
		}
	}
	mapped := base
	mapped.IP = netip.MustParseAddr("::ffff:192.0.2.7")
	plain := base
	plain.IP = netip.MustParseAddr("192.0.2.7")
	if keysOf(t, mapped)["ip_hour"] != keysOf(t, plain)["ip_hour"] {
		t.Error("an IPv4 address counts apart in its IPv6 form")
	}
}

// TestKeysHideWhatTheyCount: no address, number or user stands in a row.
func TestKeysHideWhatTheyCount(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for limit, key := range keysOf(t, throttle.Send{
		User: "marker-user", Destination: "+4915112345678", Telephone: true, Prefix: "49",
		IP: netip.MustParseAddr("192.0.2.1"), Client: "marker-client",
	}) {
		for _, secret := range []string{"marker", "4915112345678", "192.0.2.1"} {
			if strings.Contains(key, secret) {
				t.Errorf("the key of %s holds %s", limit, secret)
			}
		}
		if len(key) != 32 {
			t.Errorf("the key of %s has %d bytes", limit, len(key))
		}
		seen[key] = limit
	}
	if len(seen) < 8 {
		t.Errorf("only %d different keys", len(seen))
	}
	other, err := throttle.NewHasher([]byte(strings.Repeat("x", throttle.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	if string(other.Destination("a@example.com")) == string(hasher(t).Destination("a@example.com")) {
		t.Error("the hash of a destination does not depend on the key")
	}
}

func TestSendsRefusesBadInput(t *testing.T) {
	t.Parallel()
	s := sends(t, &recorder{}, throttle.Limits{})
	for name, send := range map[string]throttle.Send{
		"no user":        {Destination: "a@example.com"},
		"no destination": {User: "u"},
		"no prefix":      {User: "u", Destination: "+49", Telephone: true},
	} {
		if _, d, err := s.Take(t.Context(), send); err == nil || d.Allowed {
			t.Errorf("%s: Take = %v, %v", name, d, err)
		}
	}
	short := throttle.Send{User: "u", Destination: "+4912", Telephone: true, Prefix: "49"}
	if _, _, err := s.Take(t.Context(), short); err != nil {
		t.Errorf("a short number: %v", err)
	}
}

func TestConstructorsCheck(t *testing.T) {
	t.Parallel()
	bad := throttle.Limits{Tries: 99}
	h := hasher(t)
	_, noKey := throttle.NewHasher([]byte("short"))
	_, noStore := throttle.NewSends(throttle.SendsConfig{Hash: h, Now: fixedNow})
	_, badSends := throttle.NewSends(throttle.SendsConfig{Store: &recorder{}, Hash: h, Now: fixedNow, Limits: bad})
	_, noFactors := throttle.NewFactors(nil, throttle.Limits{}, fixedNow)
	_, noPasswords := throttle.NewPasswords(throttle.PasswordsConfig{Hash: h, Now: fixedNow})
	_, noOutcomes := throttle.NewOutcomes(nil, fixedNow)
	for i, err := range []error{noKey, noStore, badSends, noFactors, noPasswords, noOutcomes} {
		if err == nil {
			t.Errorf("constructor %d took what it must refuse", i)
		}
	}
}

// TestFailsClosed: a counter that cannot be written is an error and no
// permission.
func TestFailsClosed(t *testing.T) {
	t.Parallel()
	down := errors.New("store is down")
	s := sends(t, &recorder{err: down}, throttle.Limits{})
	_, d, err := s.Take(t.Context(), throttle.Send{User: "u", Destination: "a@example.com"})
	if d.Allowed || !errors.Is(err, down) {
		t.Errorf("Take = %v, %v", d, err)
	}
	if err := s.GiveBack(t.Context(), throttle.Taken{}); !errors.Is(err, down) {
		t.Errorf("GiveBack = %v", err)
	}
	if err := s.Succeeded(t.Context(), "u", "a@example.com"); !errors.Is(err, down) {
		t.Errorf("Succeeded = %v", err)
	}
}

// TestSucceededEndsTheSeriesOfTake: both name the same series.
func TestSucceededEndsTheSeriesOfTake(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	s := sends(t, r, throttle.Limits{})
	if _, _, err := s.Take(t.Context(), throttle.Send{User: "u", Destination: "A@example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Succeeded(t.Context(), "u", "a@example.com"); err != nil {
		t.Fatal(err)
	}
	if string(r.ended[0]) != string(r.series[0].Key) {
		t.Error("another series was ended")
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	if throttle.Enrolment("totp") == "totp" || throttle.Enrolment("a") == throttle.Enrolment("b") {
		t.Error("enrolment counts with the factor")
	}
	if throttle.UnknownLogin("x") == "x" {
		t.Error("an unknown login counts as a user id")
	}
}
