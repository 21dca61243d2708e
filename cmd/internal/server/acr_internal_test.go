package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

func TestDefaultACRs(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	p, err := loginPolicy(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mfa := acr.ACR{Name: "MFA", Distinct: true, Needs: []acr.Need{
		{AnyOf: []acr.Factor{acr.Password, acr.Passkey, acr.Federated}, MaxAge: new(12 * time.Hour)},
		{
			AnyOf:  []acr.Factor{acr.Passkey, acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP, acr.RecoveryCode},
			MaxAge: new(6 * time.Hour),
		},
	}}
	if diff := cmp.Diff(mfa, p.ACRs[1]); diff != "" {
		t.Errorf("MFA (-want +got):\n%s", diff)
	}
	if !cmp.Equal(p.DefaultACRs, []string{"MFA", "Default"}) || p.UserFloorOff || p.RequirePKCE || p.PermittedFallback || p.InlineEnrolment {
		t.Errorf("policy = %+v", p)
	}
	if p.ACRUnmet != "fail" || p.ACRUnmetError != "interaction_required" || p.RequiredACR != "" {
		t.Errorf("policy = %+v", p)
	}
	// Codes by e-mail are no factor under the profile nist.
	cfg.Policy.Profile = config.ProfileNIST
	acrs, err := ACRs(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]acr.Factor{acr.Passkey, acr.TOTP, acr.SMSOTP, acr.VoiceOTP, acr.RecoveryCode}, acrs[1].Needs[1].AnyOf); diff != "" {
		t.Errorf("the second need under nist (-want +got):\n%s", diff)
	}
}

// Every example of docs/login.md is usable, and its first is what is there
// without any configuration.
func TestLoginExamples(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/login.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(page), "```yaml\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("docs/login.md has %d examples", len(blocks))
	}
	for i, block := range blocks {
		text, _, _ := strings.Cut(block, "```")
		if strings.Contains(text, "acrs:") && i > 0 { // on its own it lacks those that are defaults
			text += "default_acrs: [" + firstName(text) + "]\nconsole_required_acr: " + firstName(text) +
				"\nsecond_factors: {step_up: {acr: " + firstName(text) + ", login_acr: " + firstName(text) + "}}\n"
		}
		file := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(config.Source{File: file})
		if err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
		if _, err := ACRs(cfg); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
		if i == 0 {
			if diff := cmp.Diff(config.Default(), cfg); diff != "" {
				t.Errorf("the first example is not the default (-default +example):\n%s", diff)
			}
		}
	}
}

func firstName(text string) string {
	_, rest, _ := strings.Cut(text, "name: ")
	name, _, _ := strings.Cut(rest, "\n")
	return name
}

// The shorthand of the original is two needs with an interval each.
func TestChainsAreNeeds(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.ACRs = []config.ACR{
		{
			Name: "Both", LoginChain: []string{"password"}, LoginExpires: new(12 * time.Hour),
			SecondFactorChain: []string{"totp", "sms_otp"}, SecondFactorExpires: new(6 * time.Hour),
		},
		{Name: "One", LoginChain: []string{"password"}},
		{Name: "Linked", LoginChain: []string{"password"}, SecondFactorChain: []string{"Further"}},
	}
	cfg.Chains = map[string][]config.Link{"Further": {
		{Authenticator: "card", Criteria: "optional-stop-on-success"}, {Authenticator: "totp"},
	}}
	cfg.Authenticators = map[string]config.Authenticator{"card": {Category: "possession"}}
	got, err := ACRs(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]acr.ACR{
		{Name: "Both", Distinct: true, Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}, MaxAge: new(12 * time.Hour)},
			{AnyOf: []acr.Factor{acr.TOTP, acr.SMSOTP}, MaxAge: new(6 * time.Hour)},
		}},
		{Name: "One", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password}}}},
		{Name: "Linked", Distinct: true, Needs: []acr.Need{
			{AnyOf: []acr.Factor{acr.Password}},
			{ChainName: "Further", Chain: []acr.Link{
				{Factor: "card", Control: acr.OptionalStopOnSuccess}, {Factor: acr.TOTP, Control: acr.RequiredContinue},
			}},
		}},
	}, got); diff != "" {
		t.Errorf("ACRs (-want +got):\n%s", diff)
	}
}

func TestConditionsOfSettings(t *testing.T) {
	t.Parallel()
	cfg := config.Default()
	cfg.ACRs[0].When = []config.Condition{
		{IP: &config.IPCondition{In: []string{"192.0.2.0/24", "2001:db8::1"}, NotIn: []string{"192.0.2.7"}}},
		{Time: &config.TimeCondition{Zone: "Europe/Paris", Days: "mon-tue", From: "07:30"}},
		{Header: &config.HeaderCondition{Name: "x-zone", OneOf: []string{"lab"}}},
	}
	cfg.ACRs[1].Needs[1].Unless = []config.Condition{
		{Device: &config.DeviceCondition{Remembered: true, MaxAge: new(time.Hour)}},
		{Header: &config.HeaderCondition{Name: "X-Trust", Present: true}},
	}
	got, err := ACRs(cfg)
	if err != nil {
		t.Fatal(err)
	}
	when := got[0].When
	if diff := cmp.Diff(&acr.IPCondition{
		In:    []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128")},
		NotIn: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32")},
	}, when[0].IP, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("ip (-want +got):\n%s", diff)
	}
	hours := when[1].Time
	if hours.Zone.String() != "Europe/Paris" || !cmp.Equal(hours.Days, []time.Weekday{time.Monday, time.Tuesday}) ||
		hours.From != 7*time.Hour+30*time.Minute || hours.To != 24*time.Hour {
		t.Errorf("time = %+v", hours)
	}
	if !cmp.Equal(when[2].Header, &acr.HeaderCondition{Name: "X-Zone", OneOf: []string{"lab"}}) {
		t.Errorf("header = %+v", when[2].Header)
	}
	if !cmp.Equal(got[1].Needs[1].Unless[0].Device, &acr.DeviceCondition{Remembered: true, MaxAge: new(time.Hour)}) {
		t.Errorf("device = %+v", got[1].Needs[1].Unless[0].Device)
	}
	if names := conditionHeaders(got); !cmp.Equal(names, []string{"X-Zone", "X-Trust"}) {
		t.Errorf("headers = %v", names)
	}
}

func TestFaultyACRs(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(*config.Config)
		want string
	}{
		"unknown factor": {func(c *config.Config) { c.ACRs[0].Needs[0].AnyOf = []string{"pasword"} }, `"pasword" is not a factor`},
		"bad zone": {func(c *config.Config) {
			c.ACRs[0].When = []config.Condition{{Time: &config.TimeCondition{Zone: "Mars"}}}
		}, `acrs: Default: condition 1: time: zone "Mars" is not known`},
		"bad network": {func(c *config.Config) {
			c.ACRs[0].Needs[0].Unless = []config.Condition{{IP: &config.IPCondition{In: []string{"here"}}}}
		}, `"here" is neither an address nor a range`},
		"nothing left under nist": {func(c *config.Config) {
			c.Policy.Profile = config.ProfileNIST
			c.ACRs[1].Needs[1].AnyOf = []string{"email_otp"}
		}, "policy.profile nist takes email_otp out"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config.Default()
			test.set(&cfg)
			if _, err := ACRs(cfg); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ACRs = %v, want %q", err, test.want)
			}
		})
	}
}
