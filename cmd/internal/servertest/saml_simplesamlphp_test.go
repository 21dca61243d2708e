package servertest_test

import (
	"context"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// simpleSAMLphp is where Debian's package puts the pages of the identity
// provider.
const simpleSAMLphp = "/usr/share/simplesamlphp/www"

// phpIDP is a SimpleSAMLphp that knows alice and bob.
type phpIDP struct{ url, dir string }

// newPHPIDP says where it will listen, and makes its key.
func newPHPIDP(t *testing.T) phpIDP {
	t.Helper()
	if _, err := os.Stat(filepath.Join(simpleSAMLphp, "saml2/idp/metadata.php")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the package simplesamlphp is missing: %v", err)
		}
		t.Skip("the package simplesamlphp is missing")
	}
	i := phpIDP{url: "http://" + freeAddress(t), dir: t.TempDir()}
	_, certificate := idpKey(t, i.dir)
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})
	if err := os.WriteFile(filepath.Join(i.dir, "pinned.crt"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(i.dir, "tmp"), 0o700); err != nil {
		t.Fatal(err)
	}
	return i
}

// run starts it with the metadata of a service provider.
func (i phpIDP) run(t *testing.T, metadata, encrypts string) {
	t.Helper()
	sp := filepath.Join(i.dir, "sp.xml")
	if err := os.WriteFile(sp, []byte(metadata), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := filepath.Abs("../../../testdata/simplesamlphp")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), "php", "-S", strings.TrimPrefix(i.url, "http://"), "-t", simpleSAMLphp)
	cmd.Env = append(os.Environ(), "SIMPLESAMLPHP_CONFIG_DIR="+conf, "IDP_URL="+i.url, "IDP_DIR="+i.dir, "SP_METADATA="+sp, "IDP_ENCRYPTS="+encrypts)
	out := &servertest.Buffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("php: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait() // it reports the signal
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(i.dir, "idp.log"))
			t.Logf("php:\n%s\n%s", out, log)
		}
	})
	eventually(t, "SimpleSAMLphp answers", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.metadata(), http.NoBody)
		if err != nil {
			return false
		}
		req.Close = true
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

func (i phpIDP) metadata() string { return i.url + "/saml2/idp/metadata.php" }

// logIn goes from the login page of an application to the page of the identity
// provider, in, and back.
func (i phpIDP) logIn(b *servertest.Browser, start, name, password string) servertest.Page {
	p := b.Submit(b.Open(start), "federate", "upstream", "corp")
	if _, posts := p.Value("SSOService.php", "SAMLRequest"); posts {
		p = b.Submit(p, "SSOService.php")
	}
	// The form has no action: it goes to the page that it is on.
	p = b.Submit(p, "loginuserpass.php", "username", name, "password", password)
	if _, ok := p.Value("acs", "SAMLResponse"); !ok {
		return p
	}
	return b.Submit(p, "acs")
}

// TestSimpleSAMLphp logs in at Debian's SimpleSAMLphp, which reads our metadata,
// checks the signatures of our requests, and gives persistent names; by both
// bindings, with assertions in clear text and encrypted, and with its metadata
// held to a pinned certificate.
func TestSimpleSAMLphp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ binding, encrypts string }{
		"redirect":        {"redirect", "no"},
		"post, encrypted": {"post", "yes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			idp := newPHPIDP(t)
			w := &samlTown{}
			w.Server = servertest.SQLite(t, samlProvider(idp.metadata(), func(p *config.IdentityProvider) {
				p.SAML.Binding, p.SAML.WantEncrypted = c.binding, c.encrypts == "yes"
				p.SAML.SubjectAttribute = "" // its persistent NameID
				p.SAML.MetadataCertificateFiles = []string{filepath.Join(idp.dir, "pinned.crt")}
				p.Create.Attributes = map[string]string{"userName": "uid", "emails": "mail", "displayName": "displayName"}
			}))
			idp.run(t, samlMetadata(t, w.Server), c.encrypts)
			w.app = w.Application(t, oidc.Client{RedirectURIs: []string{"https://shop.example/cb"}})
			browser := func() *servertest.Browser {
				b := w.Browser(t)
				b.Visits(idp.url)
				return b
			}

			first := browser()
			tokens := w.tokens(t, first, idp.logIn(first, w.app.AuthURL(), "alice", "violet-lantern-73"))
			sub, _ := tokens.Claims["sub"].(string)
			user := w.Do(t, http.MethodGet, "/scim/v2/Users/"+sub, w.Token(t, "compat"), "")
			for _, want := range []string{`"userName":"alice"`, `"displayName":"Alice Anders"`} {
				if !strings.Contains(user.Body, want) {
					t.Errorf("the user lacks %s:\n%s", want, user.Body)
				}
			}
			again := browser()
			if got := w.tokens(t, again, idp.logIn(again, w.app.AuthURL(), "alice", "violet-lantern-73")); got.Claims["sub"] != sub {
				t.Errorf("sub = %v the second time, want %s", got.Claims["sub"], sub)
			}
			other := browser()
			if got := w.tokens(t, other, idp.logIn(other, w.app.AuthURL(), "bob", "copper-kettle-58")); got.Claims["sub"] == sub {
				t.Error("bob is alice")
			}
			wrong := browser()
			if p := idp.logIn(wrong, w.app.AuthURL(), "alice", "not it"); p.URL.Host != strings.TrimPrefix(idp.url, "http://") {
				t.Errorf("a wrong password led to %s", p.URL)
			}
			// Asked for a new login, it asks the person again.
			p := first.Submit(first.Open(w.app.AuthURL("prompt", "login")), "federate", "upstream", "corp")
			if _, posts := p.Value("SSOService.php", "SAMLRequest"); posts {
				p = first.Submit(p, "SSOService.php")
			}
			if _, asks := p.Value("loginuserpass.php", "password"); !asks {
				t.Errorf("ForceAuthn did not ask for the password:\n%s", p.Text())
			}
			if got := w.refusals(t); !slices.Equal(got, nil) {
				t.Errorf("refusals = %v", got)
			}
		})
	}
}
