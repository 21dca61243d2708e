package throttle

import (
	"errors"
	"fmt"
	"time"
)

// Limits are the numbers that an operator may set. The zero value of a field
// stands for its default, but for SpendDay, where it means that no cap is set.
type Limits struct {
	Tries int // attempts per challenge

	Pause    time.Duration // of a factor after FailuresInRow failures, doubling
	PauseMax time.Duration // the longest pause
	Ceiling  int           // failures in a row that close a factor for good

	PasswordFirst   int // failures in a bucket from which answers are delayed
	PasswordCeiling int // failures in a row per account, over all buckets

	ResendWaits []time.Duration // before the second, third … send of a series
	SeriesSends int             // sends per series of a user and destination

	DestinationHour int // sends per destination
	DestinationDay  int
	UserDay         int // sends per user
	IPHour          int // sends per address, for pages and users' own tokens
	ClientHour      int // sends per confidential or provisioning client

	PrefixMinute    int // SMS and calls per country prefix
	TelephoneMinute int // SMS and calls in all
	EmailMinute     int // mails in all
	SpendDay        int // cost of SMS and calls a day, in the units of Send.Cost
}

// Fixed numbers.
const (
	// FailuresInRow is how many failures in a row pause a factor.
	FailuresInRow = 5
	// QuietTime without a send ends a series.
	QuietTime = time.Hour
	// PasswordDelayMax is the longest delay between two tries of a password.
	PasswordDelayMax = 30 * time.Second
	// AdjacentDigits is how many leading digits make two numbers adjacent, and
	// AdjacentNew how many new ones of them may get a code in AdjacentWindow.
	AdjacentDigits = 8
	AdjacentNew    = 5
	AdjacentWindow = 10 * time.Minute
)

// waitMin and waitMax bound each of ResendWaits, pauseMin and pauseMaxMax the
// pauses.
const (
	waitMin     = 5 * time.Second
	waitMax     = 600 * time.Second
	pauseMin    = 30 * time.Second
	pauseMaxMax = time.Hour
	most        = 1 << 31 // for limits without an upper bound: no overflow in a row
	mostSends   = 10
)

// number is one whole number of Limits. A default of 0 means none.
type number struct {
	key           string
	value         *int
	def, min, max int
}

func numbersOf(l *Limits) []number {
	return []number{
		{"tries", &l.Tries, 5, 3, 10},
		{"ceiling", &l.Ceiling, 100, 10, 100},
		{"password_first", &l.PasswordFirst, 5, 3, 10},
		{"password_ceiling", &l.PasswordCeiling, 100, 10, 100},
		{"series_sends", &l.SeriesSends, 5, 1, mostSends},
		{"destination_hour", &l.DestinationHour, 5, 1, 5},
		{"destination_day", &l.DestinationDay, 10, 1, 10},
		{"user_day", &l.UserDay, 10, 1, 10},
		{"ip_hour", &l.IPHour, 10, 1, most},
		{"client_hour", &l.ClientHour, 600, 1, most},
		{"prefix_minute", &l.PrefixMinute, 30, 1, most},
		{"telephone_minute", &l.TelephoneMinute, 300, 1, most},
		{"email_minute", &l.EmailMinute, 3000, 1, most},
		{"spend_day", &l.SpendDay, 0, 0, most},
	}
}

// WithDefaults returns the limits with every zero field filled.
func (l Limits) WithDefaults() Limits {
	for _, n := range numbersOf(&l) {
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	if l.Pause == 0 {
		l.Pause = 5 * time.Minute
	}
	if l.PauseMax == 0 {
		l.PauseMax = pauseMaxMax
	}
	if len(l.ResendWaits) == 0 {
		l.ResendWaits = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute}
	}
	return l
}

// Validate reports every value out of bounds, each by its key under prefix.
// Zero values are defaults and pass.
func (l Limits) Validate(prefix string) error {
	l = l.WithDefaults()
	var errs []error
	for _, n := range numbersOf(&l) {
		switch {
		case *n.value >= n.min && *n.value <= n.max:
		case n.max == most:
			errs = append(errs, fmt.Errorf("%s%s must be at least %d, not %d", prefix, n.key, n.min, *n.value))
		default:
			errs = append(errs, fmt.Errorf("%s%s must be %d to %d, not %d", prefix, n.key, n.min, n.max, *n.value))
		}
	}
	between := func(key string, d, low, high time.Duration) {
		if d < low || d > high {
			errs = append(errs, fmt.Errorf("%s%s must be %v to %v, not %v", prefix, key, low, high, d))
		}
	}
	between("pause", l.Pause, pauseMin, pauseMaxMax)
	between("pause_max", l.PauseMax, max(l.Pause, pauseMin), pauseMaxMax)
	if len(l.ResendWaits) >= mostSends {
		errs = append(errs, fmt.Errorf("%sresend_waits must have at most %d values, not %d", prefix, mostSends-1, len(l.ResendWaits)))
	}
	for i, wait := range l.ResendWaits {
		between(fmt.Sprintf("resend_waits[%d]", i), wait, waitMin, waitMax)
	}
	return errors.Join(errs...)
}
