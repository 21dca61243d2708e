package throttle

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// Send is one code about to be sent. Every part that is set is limited.
type Send struct {
	User        string     // user id
	Destination string     // normalised: E.164, or an address with lower-case domain
	IP          netip.Addr // of pages and users' own tokens; the zero Addr: none
	Client      string     // id of a confidential or provisioning client; "" for others
	Telephone   bool       // SMS or voice, else e-mail
	Prefix      string     // country prefix of a telephone number, such as "49"
	Cost        int        // of an SMS or call, in the units of SpendDay; 0 counts as 1
}

// The names of the limits on sends, in the order in which a refusal is named.
const (
	LimitSeries          = "resend"
	LimitDestinationHour = "destination_hour"
	LimitDestinationDay  = "destination_day"
	LimitUserDay         = "user_day"
	LimitIPHour          = "ip_hour"
	LimitClientHour      = "client_hour"
	LimitAdjacent        = "adjacent_numbers"
	LimitPrefixPaused    = "prefix_paused"
	LimitPrefixMinute    = "prefix_minute"
	LimitTelephoneMinute = "telephone_minute"
	LimitEmailMinute     = "email_minute"
	LimitSpendDay        = "spend_day"
)

// Count is one counter that a send advances, in a window that begins with the
// first of its counts.
type Count struct {
	Limit    string
	Key      []byte
	Max      int64
	Weight   int64
	Window   time.Duration
	Distinct []byte // if set, counts only once per window for this value
}

// Series is the counter of sends to one user and destination.
type Series struct {
	Key   []byte
	Max   int
	Waits []time.Duration // before send 2, 3 …; the last one repeats
	Quiet time.Duration   // without a send ends the series
}

// Wait returns how long after send n of the series the next one may follow.
func (s Series) Wait(n int) time.Duration {
	if n < 1 || len(s.Waits) == 0 {
		return 0
	}
	return s.Waits[min(n, len(s.Waits))-1]
}

// Taken is what one send counted, to be given back. It can be kept as JSON.
type Taken struct {
	Series TakenSeries  `json:"series"`
	Counts []TakenCount `json:"counts"`
}

// TakenSeries is the place of a send in its series.
type TakenSeries struct {
	Key   []byte        `json:"key"`
	N     int           `json:"n"`
	At    time.Time     `json:"at"`
	Quiet time.Duration `json:"quiet"`
}

// TakenCount is one counter and the window in which it was advanced.
type TakenCount struct {
	Limit  string    `json:"limit"`
	Key    []byte    `json:"key"`
	Start  time.Time `json:"start"`
	Weight int64     `json:"weight"`
}

// SendStore keeps the counters of sends.
type SendStore interface {
	// TakeSend advances the series and every counter, or none of them when one
	// is full. The decision then has the longest wait of those that are, and
	// the name of the first. Joins the transaction of ctx if there is one.
	TakeSend(ctx context.Context, now time.Time, s Series, counts []Count) (Taken, Decision, error)
	// GiveBackSend undoes TakeSend where the same window still runs.
	GiveBackSend(ctx context.Context, t Taken) error
	// EndSeries forgets a series. Joins the transaction of ctx.
	EndSeries(ctx context.Context, key []byte) error
}

// Sends limits how many codes are sent. It is safe for concurrent use.
type Sends struct {
	store  SendStore
	limits Limits
	hash   *Hasher
	now    func() time.Time
}

// SendsConfig is what NewSends needs; every field is required but Limits.
type SendsConfig struct {
	Store  SendStore
	Limits Limits
	Hash   *Hasher
	Now    func() time.Time
}

// NewSends checks the limits.
func NewSends(cfg SendsConfig) (*Sends, error) {
	if cfg.Store == nil || cfg.Hash == nil || cfg.Now == nil {
		return nil, errors.New("limits of sends: store, hasher and clock are required")
	}
	if err := cfg.Limits.Validate(""); err != nil {
		return nil, fmt.Errorf("limits of sends: %w", err)
	}
	return &Sends{store: cfg.Store, limits: cfg.Limits.WithDefaults(), hash: cfg.Hash, now: cfg.Now}, nil
}

// Take counts a send, or refuses it and counts nothing. User and destination
// are required.
func (s *Sends) Take(ctx context.Context, send Send) (Taken, Decision, error) {
	if send.User == "" || send.Destination == "" || (send.Telephone && send.Prefix == "") {
		return Taken{}, Decision{}, errors.New("count send: user, destination or prefix is missing")
	}
	taken, decision, err := s.store.TakeSend(ctx, s.now(), s.series(send.User, send.Destination), s.counts(send))
	if err != nil {
		return Taken{}, Decision{}, fmt.Errorf("count send: %w", err)
	}
	return taken, decision, nil
}

// GiveBack undoes Take after a send that the provider certainly did not make.
func (s *Sends) GiveBack(ctx context.Context, t Taken) error {
	if err := s.store.GiveBackSend(ctx, t); err != nil {
		return fmt.Errorf("give back send: %w", err)
	}
	return nil
}

// Succeeded ends the series of a user and destination: the code was entered.
func (s *Sends) Succeeded(ctx context.Context, user, destination string) error {
	if err := s.store.EndSeries(ctx, s.series(user, destination).Key); err != nil {
		return fmt.Errorf("end series: %w", err)
	}
	return nil
}

func (s *Sends) series(user, destination string) Series {
	return Series{
		Key: s.hash.of("series", user, strings.ToLower(destination)),
		Max: s.limits.SeriesSends, Waits: s.limits.ResendWaits, Quiet: QuietTime,
	}
}

// counts lists the counters of a send.
func (s *Sends) counts(send Send) []Count {
	l, h := s.limits, s.hash
	destination := h.Destination(send.Destination)
	out := []Count{
		{Limit: LimitDestinationHour, Key: destination, Max: int64(l.DestinationHour), Window: time.Hour},
		{Limit: LimitDestinationDay, Key: destination, Max: int64(l.DestinationDay), Window: day},
		{Limit: LimitUserDay, Key: h.of("user", send.User), Max: int64(l.UserDay), Window: day},
	}
	if send.IP.IsValid() {
		out = append(out, Count{Limit: LimitIPHour, Key: h.address(send.IP), Max: int64(l.IPHour), Window: time.Hour})
	}
	if send.Client != "" {
		out = append(out, Count{Limit: LimitClientHour, Key: h.of("client", send.Client), Max: int64(l.ClientHour), Window: time.Hour})
	}
	if send.Telephone {
		out = append(out, s.telephoneCounts(send, destination)...)
	} else {
		out = append(out, Count{Limit: LimitEmailMinute, Key: h.of("all"), Max: int64(l.EmailMinute), Window: time.Minute})
	}
	for i := range out {
		out[i].Weight = max(out[i].Weight, 1)
	}
	return out
}

// telephoneCounts are the limits against pumping of SMS and calls.
func (s *Sends) telephoneCounts(send Send, destination []byte) []Count {
	l, h := s.limits, s.hash
	digits := strings.TrimPrefix(send.Destination, "+")
	out := []Count{
		{
			Limit: LimitAdjacent, Key: h.of("adjacent", digits[:min(len(digits), AdjacentDigits)]),
			Max: AdjacentNew, Window: AdjacentWindow, Distinct: destination,
		},
		{Limit: LimitPrefixMinute, Key: h.of("prefix", send.Prefix), Max: int64(l.PrefixMinute), Window: time.Minute},
		{Limit: LimitTelephoneMinute, Key: h.of("all"), Max: int64(l.TelephoneMinute), Window: time.Minute},
	}
	if l.SpendDay > 0 {
		out = append(out, Count{
			Limit: LimitSpendDay, Key: h.of("all"), Max: int64(l.SpendDay), Weight: int64(send.Cost), Window: day,
		})
	}
	return out
}

const day = 24 * time.Hour
