package totp_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/validation/totp"
)

// TestOathtool is the independent generator of case totp_real_generator: codes
// of oathtool match, for every hash and length that may be configured.
func TestOathtool(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("oathtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("oathtool is not installed: CI must test against it (Debian package oathtool)")
		}
		t.Skip("oathtool is not installed")
	}
	now := time.Date(2026, 11, 1, 12, 0, 7, 0, time.UTC)
	for _, c := range []struct {
		algorithm totp.Algorithm
		digits    int
		period    time.Duration
		size      int
	}{
		{totp.SHA1, 6, 30 * time.Second, 20},
		{totp.SHA1, 8, 30 * time.Second, 16},
		{totp.SHA256, 6, 30 * time.Second, 32},
		{totp.SHA256, 8, 30 * time.Second, 32},
		{totp.SHA512, 6, time.Minute, 64},
		{totp.SHA512, 8, 15 * time.Second, 33},
	} {
		cfg := totp.Config{Algorithm: c.algorithm, Digits: c.digits, Period: c.period, Skew: 1, SecretBytes: c.size}
		if err := cfg.Validate(""); err != nil {
			t.Fatal(err)
		}
		secret := totp.NewSecret(cfg)
		for _, shift := range []time.Duration{-c.period, 0, c.period} {
			at := now.Add(shift)
			out, err := exec.CommandContext(t.Context(), path, "--totp="+string(c.algorithm), "--base32",
				"--digits="+strconv.Itoa(c.digits), "--time-step-size="+c.period.String(),
				"--now="+at.Format("2006-01-02 15:04:05 UTC"), secret.Base32()).Output()
			if err != nil {
				t.Fatalf("oathtool: %v", err)
			}
			code := strings.TrimSpace(string(out))
			step, ok := totp.Match(secret, code, now, cfg)
			if want := totp.Step(at, cfg); !ok || step < want {
				t.Errorf("%s, %d digits, %v: Match(%s) = %d, %v, want %d", c.algorithm, c.digits, c.period, code, step, ok, want)
			}
		}
	}
}
