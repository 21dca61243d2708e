package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// minRetention is how long a deleted user can be restored from the audit
// record.
const minRetention = 30 * 24 * time.Hour

// minRate is the lowest rate per token that a client of the SCIM IPSIE profile
// may meet.
const minRate = 25

// Validate reports every setting that cannot work, each with its key and the
// way out, joined by errors.Join; nil if there is none.
func (c *Config) Validate() error {
	v := &faults{}
	c.validateAddresses(v)
	c.validateFiles(v)
	c.validateSCIM(v)
	c.validateDelivery(v)
	c.validateSecondFactors(v)
	c.validateLogin(v)
	c.validateIdentityProviders(v)
	c.validateAccounts(v)
	v.unless(c.ShutdownTimeout > 0, "shutdown_timeout", "must be more than 0")
	v.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	v.oneOf("log.format", c.Log.Format, "text", "json")
	v.unless(c.Audit.Retention == 0 || c.Audit.Retention >= minRetention, "audit.retention",
		"must be 0 (keep forever) or at least 30d, the time in which a deleted user can be restored")
	return errors.Join(v.list...)
}

func (c *Config) validateAddresses(v *faults) {
	host, port, err := net.SplitHostPort(c.Listen)
	v.unless(err == nil && port != "", "listen", "must be host:port, such as 127.0.0.1:8080")
	if c.Issuer != "" {
		v.add("issuer", checkBase(c.Issuer))
	} else if err == nil {
		v.unless(loopback(host), "issuer",
			"must be set to the public https URL of this server when listen is not a loopback address")
	}
	for _, u := range c.PublicURLs {
		v.add("public_urls", checkBase(u))
	}
	if _, err := c.TrustedRanges(); err != nil {
		v.add("trusted_proxies", err)
	}
	if u := c.DatabaseURL.Reveal(); u != "" {
		v.unless(slices.Contains([]string{"postgres", "postgresql", "sqlite"}, before(u, ":")), "database_url",
			"must begin with postgres:// (or be left out for SQLite in the data folder)")
	}
}

func (c *Config) validateFiles(v *faults) {
	v.unless(c.Data != "", "data", "must name a folder")
	v.unless((c.TLS.Cert == "") == (c.TLS.Key == ""), "tls.cert, tls.key", "must be given together")
	v.unless(c.MasterKey == "" || len(c.MasterKeyCommand) == 0, "master_key, master_key_command", "exclude each other")
}

func (c *Config) validateSCIM(v *faults) {
	s := c.SCIM
	v.unless(s.DefaultProfile != "", "scim.default_profile", "must name a client profile")
	v.unless(s.Rate >= minRate, "scim.rate", "must be at least 25 requests a second")
	v.unless(s.Burst >= s.Rate, "scim.burst", "must be at least scim.rate")
	v.unless(s.QueryTimeout > 0, "scim.query_timeout", "must be more than 0")
	v.unless(s.Brake.Percent >= 1 && s.Brake.Percent <= 100, "scim.brake.percent", "must be from 1 to 100 (100: no brake)")
	v.unless(s.Brake.Minimum >= 0, "scim.brake.minimum", "must not be negative")
	v.unless(s.Brake.Window >= time.Minute, "scim.brake.window", "must be at least 1m")
	l := s.Limits
	for _, n := range []struct {
		key   string
		value int
	}{
		{"body", l.Body},
		{"group_body", l.GroupBody},
		{"bulk_body", l.BulkBody},
		{"bulk_operations", l.BulkOperations},
		{"depth", l.Depth},
		{"filter_length", l.FilterLength},
		{"comparisons", l.Comparisons},
		{"nesting", l.Nesting},
		{"default_count", l.DefaultCount},
		{"max_count", l.MaxCount},
		{"patch_operations", l.PatchOperations},
		{"member_values", l.MemberValues},
		{"names", l.Names},
		{"elements", l.Elements},
	} {
		v.unless(n.value > 0, "scim.limits."+n.key, "must be more than 0")
	}
	v.unless(l.DefaultCount <= l.MaxCount, "scim.limits.default_count", "must not exceed scim.limits.max_count")
	v.unless(l.CursorTimeout >= time.Second, "scim.limits.cursor_timeout", "must be at least 1s")
}

// TrustedRanges returns trusted_proxies as ranges; a lone address is a range
// of one.
func (c *Config) TrustedRanges() ([]netip.Prefix, error) {
	return ParseNetworks(c.TrustedProxies)
}

// ParseNetworks reads addresses and CIDR ranges.
func ParseNetworks(list []string) ([]netip.Prefix, error) {
	var ranges []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			ranges = append(ranges, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		ranges = append(ranges, netip.PrefixFrom(a, a.BitLen()))
	}
	return ranges, nil
}

// SQLite says whether the embedded database is used.
func (c *Config) SQLite() bool {
	u := c.DatabaseURL.Reveal()
	return u == "" || before(u, ":") == "sqlite"
}

// checkBase checks a public base URL. Plain http is for a loopback host only:
// everywhere else bearer tokens would cross the network in the clear (RFC 7644
// section 7.2).
func checkBase(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return fmt.Errorf("%q is not an https URL", text)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return fmt.Errorf("%q must have neither user, query nor fragment", text)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fmt.Errorf("%q must begin with https:// since %s is not a loopback host", text, u.Hostname())
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func before(s, sep string) string {
	head, _, _ := strings.Cut(s, sep)
	return head
}

type faults struct{ list []error }

func (f *faults) add(key string, err error) {
	if err != nil {
		f.list = append(f.list, fmt.Errorf("%s: %w", key, err))
	}
}

func (f *faults) unless(ok bool, key, want string) {
	if !ok {
		f.list = append(f.list, fmt.Errorf("%s %s", key, want))
	}
}

func (f *faults) oneOf(key, value string, allowed ...string) {
	f.unless(slices.Contains(allowed, value), key, "must be one of "+strings.Join(allowed, ", "))
}
