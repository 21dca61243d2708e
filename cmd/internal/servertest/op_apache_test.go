package servertest_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// Where Debian's packages apache2-bin and libapache2-mod-auth-openidc put their
// files.
const (
	apacheProgram = "/usr/sbin/apache2"
	apacheModules = "/usr/lib/apache2/modules"
)

// apache is a web server whose pages need a login.
type apache struct {
	// Strict and Mixed are the addresses of its two sites.
	Strict, Mixed                                string
	StrictID, StrictSecret, MixedID, MixedSecret string
	Dir, Modules, Issuer, Passphrase             string
}

// startApache runs apache.conf of testdata/relyingparty on the provider.
func startApache(t *testing.T, s *servertest.Server) apache {
	t.Helper()
	if _, err := os.Stat(filepath.Join(apacheModules, "mod_auth_openidc.so")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("packages apache2-bin and libapache2-mod-auth-openidc are missing: %v", err)
		}
		t.Skip("packages apache2-bin and libapache2-mod-auth-openidc are missing")
	}
	a := apache{Dir: openFolder(t), Modules: apacheModules, Issuer: s.Issuer(), Passphrase: "only-for-the-test", Strict: freeAddress(t), Mixed: freeAddress(t)}
	register := func(address, callback string) (id, secret string) {
		uri := "http://" + address + callback
		c, secret := s.NewClient(t, oidc.Client{
			Name: "Apache", AllowHTTPRedirect: true, RedirectURIs: []string{uri}, BackchannelLogoutURI: uri + "?logout=backchannel",
			PostLogoutRedirectURIs: []string{"http://" + address + "/bye.html"},
		})
		return c.ID, secret
	}
	a.StrictID, a.StrictSecret = register(a.Strict, "/protected/callback")
	a.MixedID, a.MixedSecret = register(a.Mixed, "/callback")
	for _, page := range []string{"protected/index.html", "low/index.html", "high/index.html", "aged/index.html", "bye.html"} {
		file := filepath.Join(a.Dir, "pages", page)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("<!doctype html><title>"+page+"</title>content of "+page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	conf := filepath.Join(a.Dir, "apache.conf")
	a.write(t, conf)
	a.run(t, conf)
	return a
}

// openFolder is a temporary folder that the user of Apache's children may read,
// which t.TempDir is not when root runs the tests.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "apache") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (a apache) write(t *testing.T, file string) {
	t.Helper()
	text, err := template.ParseFiles("../../../testdata/relyingparty/apache.conf")
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	if err := text.Execute(out, a); err != nil {
		t.Fatal(err)
	}
}

func (a apache) run(t *testing.T, conf string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), apacheProgram, "-f", conf, "-DFOREGROUND")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatalf("apache: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it reports the signal
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(a.Dir, "error.log"))
			t.Logf("apache:\n%s", log)
		}
	})
	for _, address := range []string{a.Strict, a.Mixed} {
		eventually(t, "apache listens", func() bool {
			c, err := net.Dial("tcp", address)
			if err == nil {
				_ = c.Close()
			}
			return err == nil
		})
	}
}

// freeAddress is a port of this machine that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// eventually waits for what another process does.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(30 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// TestApacheAuthOpenIDC protects pages of Apache with Debian's mod_auth_openidc:
// a second factor demanded by acr_values and checked by Require claim, step-up,
// max_age, refresh, logout and back-channel logout.
func TestApacheAuthOpenIDC(t *testing.T) {
	t.Parallel()
	// The module reads the clock of the machine: the server starts behind it, by
	// as many steps of the authenticator app as codes are used.
	clock := &drift{offset: -90 * time.Second}
	s := servertest.StartAt(t, clock.Now, servertest.Settings(t), func(c *config.Config) {
		c.Backchannel.AllowPrivate = true
		c.UserFloor = false // so that a user with a second factor can get in with less
	})
	a := startApache(t, s)
	veil := s.WithTOTP(t, s.NewPerson(t, "dr.veil", `"displayName":"Dr Veil"`), clock.Now)
	plain := s.NewPerson(t, "mr.plain")
	strict, mixed := "http://"+a.Strict, "http://"+a.Mixed
	browser := func() *servertest.Browser {
		b := s.Browser(t)
		b.Visits(strict, mixed)
		return b
	}

	p := browser()
	// This version of the module takes an error with iss (RFC 9207) for something
	// else and says so on its page; what counts is that nobody gets in.
	if got := p.LogIn(p.Open(strict+"/protected/"), plain); !strings.HasPrefix(got.Text(), "Error:") || got.URL.Query().Get("error") != "interaction_required" {
		t.Errorf("without a second factor: %s, %d %s", got.URL, got.Status, got.Text())
	}

	clock.advance(30 * time.Second)
	first := browser()
	wantPage(t, first, first.LogIn(first.Open(strict+"/protected/"), veil), "protected/index.html", "MFA", veil, "login", "code", "consent")
	apacheRefresh(t, first, strict, veil)

	clock.advance(30 * time.Second)
	second := browser()
	wantPage(t, second, second.LogIn(second.Open(mixed+"/low/"), veil), "low/index.html", "Default", veil, "login", "consent")
	wantPage(t, second, second.LogIn(second.Open(mixed+"/high/"), veil), "high/index.html", "MFA", veil, "code")
	wantPage(t, second, second.Open(mixed+"/low/"), "low/index.html", "MFA", veil)

	// Logged out at the provider: the application is told, and its session is over.
	second.Submit(second.Open("/oauth/logout"), "confirm")
	eventually(t, "back-channel logout", func() bool { return second.Open(mixed+"/low/").Kind() == servertest.KindLogin })
	wantPage(t, first, first.Open(strict+"/protected/"), "protected/index.html", "MFA", veil)

	// In the other session the password is five minutes old.
	clock.advance(331 * time.Second)
	wantPage(t, first, first.LogIn(first.Open(mixed+"/aged/"), veil), "aged/index.html", "MFA", veil, "login", "code")

	bye := first.Open(strict + "/protected/callback?logout=" + url.QueryEscape(strict+"/bye.html"))
	if bye.Status != http.StatusOK || bye.URL.String() != strict+"/bye.html" {
		t.Errorf("logout leads to %s, %d:\n%s", bye.URL, bye.Status, bye.Text())
	}
	if got := first.Open(strict + "/protected/").Kind(); got != servertest.KindLogin {
		t.Errorf("after the logout the page is %q, want the login", got)
	}
}

// wantPage wants a page of Apache, as a user of this level, after these
// questions.
func wantPage(t *testing.T, b *servertest.Browser, p servertest.Page, page, acr string, who servertest.Person, asked ...string) {
	t.Helper()
	if p.Status != http.StatusOK || p.Text() != "content of "+page {
		t.Fatalf("%s: %d, want the page %s:\n%s", p.URL, p.Status, page, p.Text())
	}
	if got := p.Header; got.Get("X-ACR") != acr || got.Get("X-Sub") != who.ID || got.Get("X-Name") != "Dr Veil" {
		t.Errorf("%s: acr %q, sub %q, name %q, want %s of %s", page, got.Get("X-ACR"), got.Get("X-Sub"), got.Get("X-Name"), acr, who.ID)
	}
	if !slices.Equal(b.Asked, asked) {
		t.Errorf("%s: asked %v, want %v", page, b.Asked, asked)
	}
	b.Asked = nil
}

// apacheRefresh lets the module use its refresh token.
func apacheRefresh(t *testing.T, b *servertest.Browser, site string, who servertest.Person) {
	t.Helper()
	token := func() string {
		p := b.Open(site + "/protected/callback?info=json")
		var info struct {
			AccessToken string         `json:"access_token"`
			IDToken     map[string]any `json:"id_token"`
		}
		if err := json.Unmarshal([]byte(p.Body), &info); err != nil || info.AccessToken == "" {
			t.Fatalf("info: %d %s: %v", p.Status, p.Body, err)
		}
		if info.IDToken["acr"] != "MFA" {
			t.Errorf("ID token %v, want acr MFA", info.IDToken)
		}
		return info.AccessToken
	}
	before := token()
	back := b.Open(site + "/protected/callback?refresh=" + url.QueryEscape(site+"/protected/") + "&access_token=" + url.QueryEscape(before))
	wantPage(t, b, back, "protected/index.html", "MFA", who)
	if after := token(); after == before {
		t.Error("the access token was not refreshed")
	}
}
