package throttle_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/validation/throttle"
)

// TestDefaults are the numbers of security.md section 1.
func TestDefaults(t *testing.T) {
	t.Parallel()
	want := throttle.Limits{
		Tries: 5, Pause: 5 * time.Minute, PauseMax: time.Hour, Ceiling: 100,
		PasswordFirst: 5, PasswordCeiling: 100,
		ResendWaits: []time.Duration{30 * time.Second, 60 * time.Second, 120 * time.Second, 240 * time.Second},
		SeriesSends: 5, DestinationHour: 5, DestinationDay: 10, UserDay: 10, IPHour: 10, ClientHour: 600,
		PrefixMinute: 30, TelephoneMinute: 300, EmailMinute: 3000,
	}
	if diff := cmp.Diff(want, throttle.Limits{}.WithDefaults()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if err := (throttle.Limits{}).Validate("limits."); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	if throttle.FailuresInRow != 5 || throttle.PasswordDelayMax != 30*time.Second || throttle.QuietTime != time.Hour {
		t.Error("fixed numbers differ from the specification")
	}
}

// TestBounds: the values at a bound pass, those beyond are named.
func TestBounds(t *testing.T) {
	t.Parallel()
	type edit func(*throttle.Limits)
	for key, c := range map[string]struct{ good, bad []edit }{
		"tries":            {[]edit{func(l *throttle.Limits) { l.Tries = 3 }, func(l *throttle.Limits) { l.Tries = 10 }}, []edit{func(l *throttle.Limits) { l.Tries = 2 }, func(l *throttle.Limits) { l.Tries = 11 }, func(l *throttle.Limits) { l.Tries = -1 }}},
		"ceiling":          {[]edit{func(l *throttle.Limits) { l.Ceiling = 10 }}, []edit{func(l *throttle.Limits) { l.Ceiling = 9 }, func(l *throttle.Limits) { l.Ceiling = 101 }}},
		"password_first":   {[]edit{func(l *throttle.Limits) { l.PasswordFirst = 3 }, func(l *throttle.Limits) { l.PasswordFirst = 10 }}, []edit{func(l *throttle.Limits) { l.PasswordFirst = 2 }, func(l *throttle.Limits) { l.PasswordFirst = 11 }}},
		"password_ceiling": {[]edit{func(l *throttle.Limits) { l.PasswordCeiling = 10 }}, []edit{func(l *throttle.Limits) { l.PasswordCeiling = 9 }, func(l *throttle.Limits) { l.PasswordCeiling = 101 }}},
		"series_sends":     {[]edit{func(l *throttle.Limits) { l.SeriesSends = 1 }, func(l *throttle.Limits) { l.SeriesSends = 10 }}, []edit{func(l *throttle.Limits) { l.SeriesSends = 11 }}},
		"destination_hour": {[]edit{func(l *throttle.Limits) { l.DestinationHour = 1 }}, []edit{func(l *throttle.Limits) { l.DestinationHour = 6 }}},
		"destination_day":  {[]edit{func(l *throttle.Limits) { l.DestinationDay = 1 }}, []edit{func(l *throttle.Limits) { l.DestinationDay = 11 }}},
		"user_day":         {[]edit{func(l *throttle.Limits) { l.UserDay = 1 }}, []edit{func(l *throttle.Limits) { l.UserDay = 11 }}},
		"ip_hour":          {[]edit{func(l *throttle.Limits) { l.IPHour = 1_000_000 }}, []edit{func(l *throttle.Limits) { l.IPHour = -1 }}},
		"client_hour":      {[]edit{func(l *throttle.Limits) { l.ClientHour = 1 }}, []edit{func(l *throttle.Limits) { l.ClientHour = -1 }}},
		"prefix_minute":    {[]edit{func(l *throttle.Limits) { l.PrefixMinute = 1 }}, []edit{func(l *throttle.Limits) { l.PrefixMinute = -1 }}},
		"telephone_minute": {[]edit{func(l *throttle.Limits) { l.TelephoneMinute = 1 }}, []edit{func(l *throttle.Limits) { l.TelephoneMinute = -1 }}},
		"email_minute":     {[]edit{func(l *throttle.Limits) { l.EmailMinute = 1 }}, []edit{func(l *throttle.Limits) { l.EmailMinute = -1 }}},
		"spend_day":        {[]edit{func(l *throttle.Limits) { l.SpendDay = 0 }, func(l *throttle.Limits) { l.SpendDay = 1000 }}, []edit{func(l *throttle.Limits) { l.SpendDay = -1 }}},
		"pause":            {[]edit{func(l *throttle.Limits) { l.Pause = 30 * time.Second }, func(l *throttle.Limits) { l.Pause = time.Hour }}, []edit{func(l *throttle.Limits) { l.Pause = 29 * time.Second }, func(l *throttle.Limits) { l.Pause = time.Hour + 1 }}},
		"pause_max":        {[]edit{func(l *throttle.Limits) { l.PauseMax = 5 * time.Minute }}, []edit{func(l *throttle.Limits) { l.PauseMax = 4 * time.Minute }, func(l *throttle.Limits) { l.PauseMax = 2 * time.Hour }}},
		"resend_waits":     {[]edit{func(l *throttle.Limits) { l.ResendWaits = []time.Duration{5 * time.Second, 600 * time.Second} }}, []edit{func(l *throttle.Limits) { l.ResendWaits = []time.Duration{4 * time.Second} }, func(l *throttle.Limits) { l.ResendWaits = []time.Duration{time.Minute, 601 * time.Second} }, func(l *throttle.Limits) { l.ResendWaits = make([]time.Duration, 10) }}},
	} {
		for i, edit := range c.good {
			var l throttle.Limits
			edit(&l)
			if err := l.Validate("limits."); err != nil {
				t.Errorf("%s, good value %d: %v", key, i, err)
			}
		}
		for i, edit := range c.bad {
			var l throttle.Limits
			edit(&l)
			if err := l.Validate("limits."); err == nil || !names(err, "limits."+key) {
				t.Errorf("%s, bad value %d: %v", key, i, err)
			}
		}
	}
}

// names reports whether err has a fault of exactly that key.
func names(err error, key string) bool {
	return strings.Contains(err.Error(), key+" ") || strings.Contains(err.Error(), key+"[")
}

// TestAllFaults: every fault is reported at once.
func TestAllFaults(t *testing.T) {
	t.Parallel()
	err := throttle.Limits{Tries: 99, UserDay: 99, Pause: time.Second, ResendWaits: []time.Duration{time.Second}}.Validate("limits.")
	if err == nil {
		t.Fatal("Validate = nil")
	}
	for _, key := range []string{"limits.tries", "limits.user_day", "limits.pause", "limits.resend_waits[0]"} {
		if !strings.Contains(err.Error(), key) {
			t.Errorf("%v does not name %s", err, key)
		}
	}
}

func TestWithDefaultsCopies(t *testing.T) {
	t.Parallel()
	l := throttle.Limits{}
	_ = l.WithDefaults()
	if l.Tries != 0 || l.ResendWaits != nil {
		t.Error("WithDefaults changed its receiver")
	}
}

// TestSeconds: rounded up, at least 1 (section 6.3).
func TestSeconds(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]int{
		0: 1, time.Microsecond: 1, time.Second: 1, time.Second + 1: 2, 30 * time.Second: 30, time.Hour: 3600, -time.Minute: 1,
	} {
		if got := (throttle.Decision{RetryAfter: wait}).Seconds(); got != want {
			t.Errorf("Seconds of %v = %d, want %d", wait, got, want)
		}
	}
}

// TestClosure: 5 in a row close for 5 minutes, each further 5 for twice as
// long up to an hour, 100 for good.
func TestClosure(t *testing.T) {
	t.Parallel()
	r := throttle.FactorRule{InRow: 5, Pause: 5 * time.Minute, Longest: time.Hour, Ceiling: 100}
	for n, want := range map[int]time.Duration{
		1: 0, 4: 0, 5: 5 * time.Minute, 6: 0, 9: 0, 10: 10 * time.Minute, 15: 20 * time.Minute, 20: 40 * time.Minute,
		25: time.Hour, 30: time.Hour, 95: time.Hour, 99: 0,
	} {
		if got, disabled := r.Closure(n); got != want || disabled {
			t.Errorf("Closure(%d) = %v, %v, want %v", n, got, disabled, want)
		}
	}
	for _, n := range []int{100, 101, 1 << 40} {
		if got, disabled := r.Closure(n); got != 0 || !disabled {
			t.Errorf("Closure(%d) = %v, %v, want disabled", n, got, disabled)
		}
	}
	long := throttle.FactorRule{InRow: 5, Pause: time.Hour, Longest: time.Hour, Ceiling: 100}
	if got, _ := long.Closure(5); got != time.Hour {
		t.Errorf("Closure(5) with a pause of an hour = %v", got)
	}
}

// TestDelay: 1, 2, 4 … 30 s from the 5th failure.
func TestDelay(t *testing.T) {
	t.Parallel()
	r := throttle.PasswordRule{First: 5, Longest: 30 * time.Second}
	for n, seconds := range []float64{0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30} {
		if got := r.Delay(n); got.Seconds() != seconds {
			t.Errorf("Delay(%d) = %v, want %v s", n, got, seconds)
		}
	}
	if got := r.Delay(1 << 30); got != 30*time.Second {
		t.Errorf("Delay of very many = %v", got)
	}
}

func TestSeriesWait(t *testing.T) {
	t.Parallel()
	s := throttle.Series{Waits: []time.Duration{1, 2, 3}}
	for n, want := range []time.Duration{0, 1, 2, 3, 3, 3} {
		if got := s.Wait(n); got != want {
			t.Errorf("Wait(%d) = %v, want %v", n, got, want)
		}
	}
	if got := (throttle.Series{}).Wait(3); got != 0 {
		t.Errorf("Wait without waits = %v", got)
	}
}
