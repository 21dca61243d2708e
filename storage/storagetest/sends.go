package storagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// Sends is the conformance suite of the limits on sends.
func Sends(t *testing.T, o *Opener) {
	nodes := []*storage.DB{o.Open(t), o.Open(t)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Opener, []*storage.DB)
	}{
		{"waits of a series", seriesWaits},
		{"a quiet hour or a success ends a series", seriesEnds},
		{"each limit refuses and recovers", eachLimit},
		{"all or none", allOrNone},
		{"given back as if not taken", givenBack},
		{"what was given back late changes nothing", givenBackLate},
		{"adjacent numbers", adjacentNumbers},
		{"the spend cap counts cost", spendCap},
		{"200 parallel sends on two nodes", parallelSends},
		{"joins a transaction", takeJoins},
		{"agrees with a model", agreesWithModel},
		{"the conversion alarm", conversionAlarm},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, o, nodes) })
	}
}

// sendLimits are limits on one node, with the opener's clock and a hasher that
// gives each test counters of its own.
func sendLimits(t *testing.T, o *Opener, db *storage.DB, l throttle.Limits) *throttle.Sends {
	t.Helper()
	return sendLimitsKeyed(t, o, db, l, t.Name())
}

func sendLimitsKeyed(t *testing.T, o *Opener, db *storage.DB, l throttle.Limits, name string) *throttle.Sends {
	t.Helper()
	s, err := throttle.NewSends(throttle.SendsConfig{Store: db, Limits: l, Hash: testHasher(t, name), Now: o.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func testHasher(t *testing.T, name string) *throttle.Hasher {
	t.Helper()
	key := make([]byte, throttle.KeySize)
	for i := range name {
		key[i%len(key)] = key[i%len(key)]*31 + name[i]
	}
	h, err := throttle.NewHasher(key)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func take(t *testing.T, s *throttle.Sends, send throttle.Send) (throttle.Taken, throttle.Decision) {
	t.Helper()
	taken, d, err := s.Take(t.Context(), send)
	if err != nil {
		t.Fatalf("Take: %v", err)
	}
	return taken, d
}

func wantTaken(t *testing.T, s *throttle.Sends, send throttle.Send) throttle.Taken {
	t.Helper()
	taken, d := take(t, s, send)
	if !d.Allowed {
		t.Fatalf("Take(%+v) = %+v, want allowed", send, d)
	}
	return taken
}

func wantRefused(t *testing.T, s *throttle.Sends, send throttle.Send, limit string, wait time.Duration) {
	t.Helper()
	taken, d := take(t, s, send)
	if d.Allowed || d.Limit != limit || d.RetryAfter != wait || len(taken.Counts) > 0 {
		t.Fatalf("Take(%+v) = %+v, want refused by %s for %v", send, d, limit, wait)
	}
}

// wide are limits under which only the series of a send counts.
func wide() throttle.Limits {
	return throttle.Limits{IPHour: 1 << 20, ClientHour: 1 << 20, PrefixMinute: 1 << 20, TelephoneMinute: 1 << 20, EmailMinute: 1 << 20}
}

func seriesWaits(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := []*throttle.Sends{sendLimits(t, o, nodes[0], wide()), sendLimits(t, o, nodes[1], wide())}
	send := throttle.Send{User: "u", Destination: "a@example.com"}
	wantTaken(t, s[0], send)
	for i, wait := range []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute} {
		wantRefused(t, s[i%2], send, throttle.LimitSeries, wait)
		o.Clock.Advance(wait - time.Second)
		wantRefused(t, s[i%2], send, throttle.LimitSeries, time.Second)
		// Another user or destination has a series of its own.
		wantTaken(t, s[1], throttle.Send{User: fmt.Sprint("other", i), Destination: fmt.Sprintf("b%d@example.com", i)})
		o.Clock.Advance(time.Second)
		wantTaken(t, s[(i+1)%2], send)
	}
	// Five were sent: nothing more until an hour after the last one. The
	// destination has had its five of this hour as well, for less long.
	wantRefused(t, s[0], send, throttle.LimitSeries, time.Hour)
	o.Clock.Advance(time.Hour - time.Microsecond)
	wantRefused(t, s[0], send, throttle.LimitSeries, time.Microsecond)
	o.Clock.Advance(time.Microsecond)
	wantTaken(t, s[0], send)
	wantRefused(t, s[0], send, throttle.LimitSeries, 30*time.Second)
}

func seriesEnds(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], wide())
	send := throttle.Send{User: "u", Destination: "Ann@example.com"}
	wantTaken(t, s, send)
	wantRefused(t, s, send, throttle.LimitSeries, 30*time.Second)
	if err := s.Succeeded(t.Context(), "u", "ann@example.com"); err != nil {
		t.Fatal(err)
	}
	wantTaken(t, s, send)
	o.Clock.Advance(30 * time.Second)
	wantTaken(t, s, send)
	wantRefused(t, s, send, throttle.LimitSeries, time.Minute)
	o.Clock.Advance(time.Hour)
	wantTaken(t, s, send)
	wantRefused(t, s, send, throttle.LimitSeries, 30*time.Second)
}

// eachLimit fills one limit after the other with sends that differ in
// everything else, and waits for the window to end.
func eachLimit(t *testing.T, o *Opener, nodes []*storage.DB) {
	ip := netip.MustParseAddr("192.0.2.1")
	email := func(i int) throttle.Send {
		return throttle.Send{User: fmt.Sprint("user", i), Destination: fmt.Sprintf("d%d@example.com", i)}
	}
	phone := func(i int) throttle.Send {
		return throttle.Send{User: fmt.Sprint("user", i), Destination: fmt.Sprintf("+49%04d0000", i), Telephone: true, Prefix: fmt.Sprint(100 + i)}
	}
	for _, c := range []struct {
		limit  string
		max    int
		window time.Duration
		limits throttle.Limits
		send   func(i int) throttle.Send
	}{
		{throttle.LimitDestinationHour, 5, time.Hour, wide(), func(i int) throttle.Send { s := email(i); s.Destination = "one@example.com"; return s }},
		{throttle.LimitDestinationHour, 2, time.Hour, throttle.Limits{DestinationHour: 2}, func(i int) throttle.Send { s := email(i); s.Destination = "two@example.com"; return s }},
		{throttle.LimitUserDay, 10, 24 * time.Hour, wide(), func(i int) throttle.Send { s := email(i); s.User = "one"; return s }},
		{throttle.LimitIPHour, 10, time.Hour, throttle.Limits{}, func(i int) throttle.Send { s := email(i); s.IP = ip; return s }},
		{throttle.LimitClientHour, 7, time.Hour, throttle.Limits{ClientHour: 7}, func(i int) throttle.Send { s := email(i); s.Client = "one"; return s }},
		{throttle.LimitPrefixMinute, 30, time.Minute, throttle.Limits{}, func(i int) throttle.Send { s := phone(i); s.Prefix = "49"; return s }},
		{throttle.LimitTelephoneMinute, 12, time.Minute, throttle.Limits{TelephoneMinute: 12}, phone},
		{throttle.LimitEmailMinute, 9, time.Minute, throttle.Limits{EmailMinute: 9}, email},
	} {
		t.Run(fmt.Sprint(c.limit, c.max), func(t *testing.T) {
			s := sendLimits(t, o, nodes[0], c.limits)
			for i := range c.max {
				wantTaken(t, s, c.send(i))
			}
			wantRefused(t, s, c.send(c.max), c.limit, c.window)
			o.Clock.Advance(c.window - time.Microsecond)
			wantRefused(t, s, c.send(c.max), c.limit, time.Microsecond)
			o.Clock.Advance(time.Microsecond)
			wantTaken(t, s, c.send(c.max))
		})
	}
	t.Run(throttle.LimitDestinationDay, func(t *testing.T) {
		s := sendLimits(t, o, nodes[0], wide())
		for i := range 10 {
			if i == 5 {
				o.Clock.Advance(time.Hour)
			}
			send := email(i)
			send.Destination = "day@example.com"
			wantTaken(t, s, send)
		}
		o.Clock.Advance(time.Hour)
		send := email(10)
		send.Destination = "day@example.com"
		wantRefused(t, s, send, throttle.LimitDestinationDay, 22*time.Hour)
	})
}

// allOrNone: a send that one limit refuses leaves no trace in the others, and
// the wait that is told is the longest.
func allOrNone(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], throttle.Limits{ClientHour: 1})
	full := throttle.Send{User: "u", Destination: "a@example.com", Client: "c"}
	wantTaken(t, s, full)
	before := dumpCounters(t, o)
	for i := range 20 {
		wantRefused(t, s, throttle.Send{User: fmt.Sprint("v", i), Destination: "b@example.com", Client: "c", IP: netip.MustParseAddr("192.0.2.9")},
			throttle.LimitClientHour, time.Hour)
	}
	wantRefused(t, s, full, throttle.LimitSeries, time.Hour) // 30 s of the series, an hour of the client
	if diff := cmp.Diff(before, dumpCounters(t, o)); diff != "" {
		t.Errorf("refused sends were counted (-before +after):\n%s", diff)
	}
}

// dumpCounters reads every counter of sends that says something: neither over
// nor empty.
func dumpCounters(t *testing.T, o *Opener) []string {
	t.Helper()
	rows, err := o.Raw(t).Query(`SELECT name, key, n, started_at, ends_at FROM send_counts WHERE n > 0 AND ends_at > $1
		UNION ALL SELECT 'series', key, n, last_at, ends_at FROM send_series WHERE ends_at > $1 ORDER BY 1, 2`,
		o.Clock.Now().UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var name string
		var key []byte
		var n, start, end int64
		if err := rows.Scan(&name, &key, &n, &start, &end); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %x %d %d %d", name, key, n, start, end))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// givenBack is part of case provider_down: counters and waits are as before,
// after the first send of a series and after a later one. A ticket survives
// being written down.
func givenBack(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], throttle.Limits{SpendDay: 100})
	send := throttle.Send{
		User: "u", Destination: "+4915112345678", Telephone: true, Prefix: "49", Cost: 7,
		IP: netip.MustParseAddr("192.0.2.1"), Client: "c",
	}
	for i := range 4 {
		before := dumpCounters(t, o)
		taken := wantTaken(t, s, send)
		text, err := json.Marshal(taken)
		if err != nil {
			t.Fatal(err)
		}
		var kept throttle.Taken
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		if err := s.GiveBack(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, dumpCounters(t, o)); diff != "" {
			t.Errorf("send %d given back (-before +after):\n%s", i+1, diff)
		}
		wantTaken(t, s, send) // at once: nothing to wait for
		o.Clock.Advance(5 * time.Minute)
	}
}

func givenBackLate(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], wide())
	send := throttle.Send{User: "u", Destination: "a@example.com"}
	taken := wantTaken(t, s, send)
	o.Clock.Advance(25 * time.Hour)
	wantTaken(t, s, send)
	before := dumpCounters(t, o)
	if err := s.GiveBack(t.Context(), taken); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, dumpCounters(t, o)); diff != "" {
		t.Errorf("a ticket of an earlier window changed this one (-before +after):\n%s", diff)
	}
}

// adjacentNumbers: five new numbers with the same first 8 digits within 10
// minutes, then no more; those that have had a code go on.
func adjacentNumbers(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], wide())
	number := func(block, i int) throttle.Send {
		return throttle.Send{
			User: fmt.Sprint("u", block, i), Destination: fmt.Sprintf("+4915112%d%03d", block, i), Telephone: true, Prefix: "49",
		}
	}
	for i := range 5 {
		wantTaken(t, s, number(1, i))
	}
	wantRefused(t, s, number(1, 5), throttle.LimitAdjacent, 10*time.Minute)
	wantTaken(t, s, number(2, 5))
	o.Clock.Advance(time.Minute)
	wantTaken(t, s, number(1, 0)) // not new
	wantRefused(t, s, number(1, 6), throttle.LimitAdjacent, 9*time.Minute)
	o.Clock.Advance(9 * time.Minute)
	wantTaken(t, s, number(1, 6))
}

func spendCap(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], throttle.Limits{SpendDay: 20})
	number := func(i, cost int) throttle.Send {
		return throttle.Send{User: fmt.Sprint("u", i), Destination: fmt.Sprintf("+49%04d0000", i), Telephone: true, Prefix: "49", Cost: cost}
	}
	wantTaken(t, s, number(1, 12))
	wantRefused(t, s, number(2, 9), throttle.LimitSpendDay, 24*time.Hour)
	wantTaken(t, s, number(3, 7))
	wantTaken(t, s, number(4, 0)) // counts as 1
	wantRefused(t, s, number(5, 1), throttle.LimitSpendDay, 24*time.Hour)
	wantRefused(t, s, number(6, 21), throttle.LimitSpendDay, 24*time.Hour) // more than a day has
	wantTaken(t, s, throttle.Send{User: "u", Destination: "a@example.com"})
	o.Clock.Advance(24 * time.Hour)
	wantTaken(t, s, number(7, 20))
}

// parallelSends: two nodes, one destination. For one user only the first goes
// out; for many users exactly the limit of the destination.
func parallelSends(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := []*throttle.Sends{sendLimits(t, o, nodes[0], wide()), sendLimits(t, o, nodes[1], wide())}
	race := func(send func(i int) throttle.Send) int32 {
		var went atomic.Int32
		var wg sync.WaitGroup
		for i := range guesses {
			wg.Go(func() {
				_, d, err := s[i%2].Take(context.Background(), send(i))
				if err != nil {
					t.Errorf("Take: %v", err)
				}
				if d.Allowed {
					went.Add(1)
				}
			})
		}
		wg.Wait()
		return went.Load()
	}
	if n := race(func(int) throttle.Send { return throttle.Send{User: "u", Destination: "a@example.com"} }); n != 1 {
		t.Errorf("%d sends to one user at once, want 1", n)
	}
	if n := race(func(i int) throttle.Send {
		return throttle.Send{User: fmt.Sprint("u", i), Destination: "b@example.com", Client: "c"}
	}); n != 5 {
		t.Errorf("%d sends to one destination at once, want 5", n)
	}
}

func takeJoins(t *testing.T, o *Opener, nodes []*storage.DB) {
	s := sendLimits(t, o, nodes[0], wide())
	send := throttle.Send{User: "u", Destination: "a@example.com"}
	err := nodes[0].InTx(t.Context(), func(ctx context.Context) error {
		if _, d, err := s.Take(ctx, send); err != nil || !d.Allowed {
			t.Errorf("Take = %+v, %v", d, err)
		}
		if _, d, err := s.Take(ctx, send); err != nil || d.Allowed {
			t.Errorf("the second Take = %+v, %v", d, err)
		}
		return errOwn
	})
	wantIs(t, err, errOwn)
	wantTaken(t, s, send)
}

// modelSends is what the limits of mails mean, without a database.
type modelSends struct {
	series map[string][]time.Time // sends of the series by user and destination
	counts map[string][]time.Time // sends by limit and key, the first opens the window
}

func (m *modelSends) take(now time.Time, user, destination string) (bool, time.Duration) {
	var wait time.Duration
	key := user + " " + destination
	series := m.series[key]
	if len(series) > 0 && !now.Before(series[len(series)-1].Add(time.Hour)) {
		series = nil
	}
	waits := []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, time.Hour}
	if n := len(series); n > 0 {
		wait = max(wait, series[n-1].Add(waits[n-1]).Sub(now))
	}
	windows := map[string][]time.Time{}
	for _, c := range []struct {
		name   string
		max    int
		window time.Duration
	}{
		{"hour " + destination, 5, time.Hour}, {"day " + destination, 10, 24 * time.Hour}, {"user " + user, 10, 24 * time.Hour},
	} {
		sent := m.counts[c.name]
		if len(sent) > 0 && !now.Before(sent[0].Add(c.window)) {
			sent = nil
		}
		if len(sent) >= c.max {
			wait = max(wait, sent[0].Add(c.window).Sub(now))
		}
		windows[c.name] = append(slices.Clip(sent), now)
	}
	if wait > 0 {
		return false, wait
	}
	m.series[key] = append(slices.Clip(series), now)
	maps.Copy(m.counts, windows)
	return true, 0
}

// agreesWithModel plays random sends, successes and waits on two nodes.
func agreesWithModel(t *testing.T, o *Opener, nodes []*storage.DB) {
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		name := fmt.Sprint("model", round)
		s := []*throttle.Sends{sendLimitsKeyed(t, o, nodes[0], wide(), name), sendLimitsKeyed(t, o, nodes[1], wide(), name)}
		m := &modelSends{series: map[string][]time.Time{}, counts: map[string][]time.Time{}}
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			user := rapid.SampledFrom([]string{"u", "v"}).Draw(rt, "user")
			destination := rapid.SampledFrom([]string{"a@example.com", "b@example.com"}).Draw(rt, "destination")
			if rapid.IntRange(0, 9).Draw(rt, "success") == 0 {
				delete(m.series, user+" "+destination)
				if err := s[0].Succeeded(t.Context(), user, destination); err != nil {
					rt.Fatal(err)
				}
				continue
			}
			o.Clock.Advance(time.Duration(rapid.SampledFrom([]int{0, 1, 29, 30, 31, 60, 120, 240, 3599, 3600, 86400}).Draw(rt, "wait")) * time.Second)
			allowed, wait := m.take(o.Clock.Now(), user, destination)
			_, d, err := s[rapid.IntRange(0, 1).Draw(rt, "node")].Take(t.Context(), throttle.Send{User: user, Destination: destination})
			if err != nil || d.Allowed != allowed || d.RetryAfter != wait {
				rt.Fatalf("%s to %s: %+v, %v, want %v, %v", user, destination, d, err, allowed, wait)
			}
		}
	})
}

func conversionAlarm(t *testing.T, o *Opener, nodes []*storage.DB) {
	outcomes := make([]*throttle.Outcomes, 2)
	for i, db := range nodes {
		var err error
		if outcomes[i], err = throttle.NewOutcomes(db, o.Clock.Now); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	sent := func(prefix string, verified bool) (alarm bool) {
		t.Helper()
		n++
		jti := fmt.Sprint("outcome", n)
		alarm, err := outcomes[n%2].Sent(t.Context(), jti, prefix)
		if err != nil {
			t.Fatal(err)
		}
		if verified {
			if err := outcomes[n%2].Verified(t.Context(), jti); err != nil {
				t.Fatal(err)
			}
		}
		return alarm
	}
	check := func(prefix string, want throttle.Decision) {
		t.Helper()
		got, err := outcomes[0].Check(t.Context(), prefix)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Check(%s), %v (-want +got):\n%s", prefix, err, diff)
		}
	}
	open := throttle.Decision{Allowed: true}
	// 15 of 50 are 30 percent, which is enough; 14 are not.
	for _, c := range []struct {
		prefix string
		good   int
	}{{"49", 15}, {"44", 14}} {
		prefix, good := c.prefix, c.good
		for i := range 50 {
			if sent(prefix, i < good) {
				t.Fatalf("alarm for %s although nothing is settled", prefix)
			}
		}
		check(prefix, open)
		o.Clock.Advance(throttle.OutcomeSettled)
		alarm := sent(prefix, false)
		if want := prefix == "44"; alarm != want {
			t.Errorf("alarm for %s with %d of 50 verified = %v", prefix, good, alarm)
		}
	}
	check("49", open)
	check("44", throttle.Decision{RetryAfter: time.Hour, Limit: throttle.LimitPrefixPaused})
	check("33", open)
	o.Clock.Advance(throttle.PrefixPause)
	check("44", open)
	// The sample is gone: a fresh one is judged.
	if sent("44", false) {
		t.Error("the alarm is raised again for the same sample")
	}
	if was, err := nodes[0].ResumePrefix(t.Context(), "44"); err != nil || !was {
		t.Errorf("ResumePrefix = %v, %v", was, err)
	}
	if was, err := nodes[0].ResumePrefix(t.Context(), "44"); err != nil || was {
		t.Errorf("ResumePrefix again = %v, %v", was, err)
	}
	if err := outcomes[0].Verified(t.Context(), "nobody"); err != nil {
		t.Errorf("Verified of an unknown send: %v", err)
	}
}
