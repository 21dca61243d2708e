package acr_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/acr"
)

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func office(t *testing.T) *acr.TimeCondition {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return &acr.TimeCondition{
		Zone: paris, From: 7 * time.Hour, To: 20 * time.Hour,
		Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
	}
}

// opens reports whether a condition opens an ACR, lifts reports whether it lifts
// a second need, to somebody who has shown a password.
func opens(t *testing.T, c acr.Condition, x acr.Context) (opens, lifts bool) {
	t.Helper()
	ledger := []acr.Proof{proof(acr.Password, 0, txn)}
	ledger[0].At = x.Now
	a := single()
	a.When = []acr.Condition{c}
	has := enrolled(acr.Password, acr.TOTP)
	_, opens = acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}, ledger, has, x).(acr.Issue)
	a = mfa()
	a.Needs[1].Unless = []acr.Condition{c}
	_, lifts = acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}, ledger, has, x).(acr.Issue)
	return opens, lifts
}

func TestConditions(t *testing.T) {
	t.Parallel()
	at := func(text string) func(*acr.Context) {
		return func(x *acr.Context) {
			now, err := time.Parse(time.RFC3339, text)
			if err != nil {
				t.Error(err)
			}
			x.Now = now
		}
	}
	from := func(ip string) func(*acr.Context) { return func(x *acr.Context) { x.IP = netip.MustParseAddr(ip) } }
	night := *office(t)
	night.From, night.To = 22*time.Hour, 6*time.Hour
	gate := func(c acr.HeaderCondition) acr.Condition { return acr.Condition{Header: &c} }
	zone := func(name string) func(*acr.Context) {
		return func(x *acr.Context) { x.Header = map[string]string{"X-Zone": name} }
	}
	remembered := func(ago time.Duration) func(*acr.Context) {
		return func(x *acr.Context) { x.Device = new(x.Now.Add(-ago)) }
	}
	in := acr.Condition{IP: &acr.IPCondition{In: []netip.Prefix{prefix("192.0.2.0/24"), prefix("2001:db8::/32")}}}
	notIn := acr.Condition{IP: &acr.IPCondition{NotIn: []netip.Prefix{prefix("198.51.100.0/24")}}}
	both := acr.Condition{IP: &acr.IPCondition{In: in.IP.In, NotIn: []netip.Prefix{prefix("192.0.2.128/25")}}}
	device := acr.Condition{Device: &acr.DeviceCondition{Remembered: true, MaxAge: new(24 * time.Hour)}}
	for _, test := range []struct {
		name string
		c    acr.Condition
		set  func(*acr.Context)
		want bool
	}{
		{"in", in, from("192.0.2.1"), true},
		{"in, as IPv6 shows an IPv4 address", in, from("::ffff:192.0.2.1"), true},
		{"in, IPv6", in, from("2001:db8::1"), true},
		{"in, IPv6 with a zone", in, from("2001:db8::1%eth0"), true},
		{"in, elsewhere", in, from("203.0.113.1"), false},
		{"not in", notIn, from("203.0.113.1"), true},
		{"not in, within", notIn, from("198.51.100.4"), false},
		{"in and not in", both, from("192.0.2.127"), true},
		{"in and not in, excepted", both, from("192.0.2.128"), false},

		{"office hours", acr.Condition{Time: office(t)}, at("2026-03-03T06:00:00Z"), true},
		{"before them", acr.Condition{Time: office(t)}, at("2026-03-03T05:59:59Z"), false},
		{"their end is not in them", acr.Condition{Time: office(t)}, at("2026-03-03T19:00:00Z"), false},
		{"in summer", acr.Condition{Time: office(t)}, at("2026-07-07T05:00:00Z"), true},
		{"on Saturday", acr.Condition{Time: office(t)}, at("2026-03-07T10:00:00Z"), false},
		{"at night", acr.Condition{Time: &night}, at("2026-03-03T23:00:00Z"), true},
		{"the night of Friday ends on Saturday", acr.Condition{Time: &night}, at("2026-03-07T04:59:00Z"), true},
		{"the night of Sunday is none", acr.Condition{Time: &night}, at("2026-03-09T04:00:00Z"), false},
		{"by day", acr.Condition{Time: &night}, at("2026-03-03T12:00:00Z"), false},

		{"header equals", gate(acr.HeaderCondition{Name: "X-Zone", Equals: "lab"}), zone("lab"), true},
		{"header differs", gate(acr.HeaderCondition{Name: "X-Zone", Equals: "lab"}), zone("Lab"), false},
		{"header one of", gate(acr.HeaderCondition{Name: "X-Zone", OneOf: []string{"lab", "hall"}}), zone("hall"), true},
		{"header none of", gate(acr.HeaderCondition{Name: "X-Zone", OneOf: []string{"lab", "hall"}}), zone("yard"), false},
		{"header present", gate(acr.HeaderCondition{Name: "X-Zone", Present: true}), zone("yard"), true},

		{"remembered", device, remembered(24 * time.Hour), true},
		{"remembered too long ago", device, remembered(25 * time.Hour), false},
		{"not remembered", device, func(*acr.Context) {}, false},
		{"a new browser", acr.Condition{Device: &acr.DeviceCondition{}}, func(*acr.Context) {}, true},
		{"not a new browser", acr.Condition{Device: &acr.DeviceCondition{}}, remembered(time.Hour), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			x := here()
			test.set(&x)
			if opens, lifts := opens(t, test.c, x); opens != test.want || lifts != test.want {
				t.Errorf("it opens: %t, it lifts: %t, want %t", opens, lifts, test.want)
			}
		})
	}
}

// What cannot be decided counts as unmet: it closes an ACR and lifts no need.
func TestConditionFailsClosed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]acr.Condition{
		"no test":                     {},
		"two tests":                   {Time: office(t), Device: &acr.DeviceCondition{}},
		"no networks":                 {IP: &acr.IPCondition{}},
		"address not known":           {IP: &acr.IPCondition{NotIn: []netip.Prefix{prefix("198.51.100.0/24")}}},
		"zone not known":              {Time: &acr.TimeCondition{From: 0, To: 24 * time.Hour}},
		"no span":                     {Time: &acr.TimeCondition{Zone: time.UTC}},
		"header not of the proxy":     {Header: &acr.HeaderCondition{Name: "X-Zone", Present: true}},
		"empty header":                {Header: &acr.HeaderCondition{Name: "X-Empty", Present: true}},
		"absent header against \"\"":  {Header: &acr.HeaderCondition{Name: "X-Zone", Equals: ""}},
		"header that nothing compare": {Header: &acr.HeaderCondition{Name: "X-Set"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := here()
			x.IP = netip.Addr{}
			x.Header = map[string]string{"X-Empty": "", "X-Set": "value"}
			if opens, lifts := opens(t, c, x); opens || lifts {
				t.Errorf("it opens: %t, it lifts: %t", opens, lifts)
			}
		})
	}
	t.Run("all must hold", func(t *testing.T) {
		t.Parallel()
		a := mfa()
		a.Needs[1].Unless = []acr.Condition{{Time: office(t)}, {Header: &acr.HeaderCondition{Name: "X-Zone", Present: true}}}
		r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}
		asks(t, acr.Decide(r, []acr.Proof{proof(acr.Password, 0, txn)}, enrolled(acr.Password, acr.TOTP), here()))
	})
}

// A closed candidate is passed over; when all are closed, or a floor is, the
// reason is the context, whoever asks.
func TestContextUnmet(t *testing.T) {
	t.Parallel()
	closed := mfa()
	closed.Name, closed.When = "Office", []acr.Condition{{IP: &acr.IPCondition{In: []netip.Prefix{prefix("198.51.100.0/24")}}}}
	ledger := []acr.Proof{proof(acr.Password, 0, txn)}
	has := enrolled(acr.Password)
	nobody := here()
	nobody.User = ""
	got := issued(t, acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{closed, single()}}, ledger, has, here()))
	if got.ACR != "Default" {
		t.Errorf("acr = %q", got.ACR)
	}
	for _, r := range []acr.Requirement{
		{Txn: txn, Candidates: []acr.ACR{closed}},
		{Txn: txn, Candidates: []acr.ACR{single()}, Floors: []acr.ACR{closed}},
		{Txn: txn, Candidates: []acr.ACR{single()}, Floors: []acr.ACR{closed}, Fallback: []acr.ACR{single()}},
	} {
		for _, silent := range []bool{false, true} {
			r.Silent = silent
			failed(t, acr.Decide(r, ledger, has, here()), acr.ContextUnmet)
			failed(t, acr.Decide(r, nil, nil, nobody), acr.ContextUnmet)
		}
	}
	// A closed user floor is passed over, a closed scope stays locked.
	got = issued(t, acr.Decide(acr.Requirement{
		Txn: txn, Candidates: []acr.ACR{single()}, UserFloor: []acr.ACR{closed, single()},
		Scopes: map[string]acr.ACR{"pay": closed},
	}, ledger, has, here()))
	if got.ACR != "Default" || len(got.Scopes) != 0 {
		t.Errorf("Issue = %+v", got)
	}
	// Whether a browser is remembered for a user shows only once the user is known.
	known := single()
	known.When = []acr.Condition{{Device: &acr.DeviceCondition{Remembered: true}}}
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{known}}
	if !asks(t, acr.Decide(r, nil, nil, nobody)).First {
		t.Error("the first factor is not asked for")
	}
	failed(t, acr.Decide(r, ledger, has, here()), acr.ContextUnmet)
}

// A need that is lifted counts for nothing: an ACR whose second need lapses says
// what was proved.
func TestLiftedNeed(t *testing.T) {
	t.Parallel()
	a := mfa()
	a.Needs[1].Unless = []acr.Condition{{IP: &acr.IPCondition{In: []netip.Prefix{prefix("192.0.2.0/24")}}}}
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}
	got := issued(t, acr.Decide(r, []acr.Proof{proof(acr.Password, 0, txn)}, enrolled(acr.Password), here()))
	if got.ACR != "MFA" || !cmp.Equal(got.AMR, []string{"pwd"}) {
		t.Errorf("Issue = %+v", got)
	}
}
