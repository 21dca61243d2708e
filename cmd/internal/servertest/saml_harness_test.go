package servertest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"html/template"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	"github.com/crewjam/saml/samlidp"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// Names of the attributes that the identity provider of crewjam/saml sends.
const (
	samlUID  = "urn:oid:0.9.2342.19200300.100.1.1"
	samlMail = "urn:oid:0.9.2342.19200300.100.1.3"
	samlName = "urn:oid:2.5.4.3"
)

// samlProvider are the settings of a server for an identity provider at these
// metadata, which makes users of whom it knows.
func samlProvider(metadata string, edits ...func(*config.IdentityProvider)) func(*config.Config) {
	p := config.IdentityProvider{
		ID: "corp", Type: config.ProviderSAML, Name: "Corp", AllowPrivate: true,
		SAML: config.SAMLProvider{MetadataURL: metadata, SubjectAttribute: samlUID},
		Create: config.Create{Enabled: true, Attributes: map[string]string{
			"userName": samlUID, "emails": samlMail, "displayName": samlName,
		}},
	}
	for _, edit := range edits {
		edit(&p)
	}
	return func(c *config.Config) { c.IdentityProviders = append(c.IdentityProviders, p) }
}

// idpKey makes a key of an identity provider and writes it to a folder as
// idp.key and idp.crt.
func idpKey(t *testing.T, dir string) (*rsa.PrivateKey, *x509.Certificate) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour * 24),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"idp.key": {Type: "PRIVATE KEY", Bytes: private}, "idp.crt": {Type: "CERTIFICATE", Bytes: der},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, certificate
}

// crewjamIDP is the identity provider of crewjam/saml.
type crewjamIDP struct {
	idp *samlidp.Server
	url string
}

// idpLogin is its login page.
const idpLogin = `<!doctype html><html lang="en"><title>Corp</title><p>{{.Toast}}</p><form method="post" action="{{.URL}}">
<input name="user" autocomplete="username"><input type="password" name="password" autocomplete="current-password">
<input type="hidden" name="SAMLRequest" value="{{.SAMLRequest}}"><input type="hidden" name="RelayState" value="{{.RelayState}}">
<input type="submit" value="Log in"></form></html>`

// newCrewjamIDP starts one under this name of the machine: to a browser,
// localhost is another site than 127.0.0.1.
func newCrewjamIDP(t *testing.T, host string) *crewjamIDP {
	t.Helper()
	i := &crewjamIDP{}
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/favicon.ico" {
			rw.WriteHeader(http.StatusNoContent)
			return
		}
		i.idp.ServeHTTP(rw, r)
	}))
	t.Cleanup(front.Close)
	base, err := url.Parse(front.URL)
	if err != nil {
		t.Fatal(err)
	}
	base.Host = host + ":" + base.Port()
	i.url = base.String()
	key, certificate := idpKey(t, t.TempDir())
	i.idp, err = samlidp.New(samlidp.Options{
		URL: *base, Key: key, Certificate: certificate, Store: &samlidp.MemoryStore{}, Logger: log.New(io.Discard, "", 0),
		LoginFormTemplate: template.Must(template.New("login").Parse(idpLogin)),
	})
	if err != nil {
		t.Fatal(err)
	}
	i.idp.IDP.LoginURL = i.idp.IDP.SSOURL
	i.idp.IDP.SignatureMethod = dsig.RSASHA256SignatureMethod // its own choice is SHA-1
	i.put(t, "/users/alice", `{"name":"alice","password":"violet-lantern-73","email":"alice@corp.example","common_name":"Alice Anders"}`)
	return i
}

// put sets a user, service or shortcut of the identity provider.
func (i *crewjamIDP) put(t *testing.T, path, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, i.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r := servertest.Send(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req)
	if r.Status != http.StatusNoContent {
		t.Fatalf("PUT %s: %d %s", path, r.Status, r.Body)
	}
}

// samlTown is a server, an identity provider and an application.
type samlTown struct {
	town
	*crewjamIDP
	app *servertest.Application
}

// newSAMLTown starts an identity provider and a server that trusts it.
func newSAMLTown(t *testing.T, edits ...func(*config.IdentityProvider)) *samlTown {
	t.Helper()
	w := &samlTown{crewjamIDP: newCrewjamIDP(t, "127.0.0.1")}
	w.Server = servertest.SQLite(t, samlProvider(w.url+"/metadata", edits...))
	w.put(t, "/services/sallyport", samlMetadata(t, w.Server))
	w.app = w.Application(t, oidc.Client{RedirectURIs: []string{"https://shop.example/cb"}})
	return w
}

// samlMetadata are ours, as an administrator of the identity provider loads
// them.
func samlMetadata(t *testing.T, s *servertest.Server) string {
	t.Helper()
	r := s.Do(t, http.MethodGet, "/federation/corp/metadata", "", "")
	if r.Status != http.StatusOK || r.Header.Get("Content-Type") != "application/samlmetadata+xml" {
		t.Fatalf("metadata: %d %v", r.Status, r.Header)
	}
	return r.Body
}

// browser visits the identity provider too.
func (w *samlTown) browser(t *testing.T) *servertest.Browser {
	t.Helper()
	b := w.Browser(t)
	b.Visits(w.url)
	return b
}

// answered logs alice in at the identity provider, from the login page of an
// application, and returns the page that posts the answer here.
func (w *samlTown) answered(t *testing.T, b *servertest.Browser, pairs ...string) servertest.Page {
	t.Helper()
	p := b.Submit(b.Open(w.app.AuthURL(pairs...)), "federate", "upstream", "corp")
	if _, form := p.Value("sso", "SAMLRequest"); form && p.URL.Path != "/sso" {
		p = b.Submit(p, "sso") // the page of ours that posts the request
	}
	if _, asks := p.Value("sso", "password"); asks {
		p = b.Submit(p, "sso", "user", "alice", "password", "violet-lantern-73")
	}
	if _, ok := p.Value("acs", "SAMLResponse"); !ok {
		t.Fatalf("no answer of the identity provider at %s:\n%s", p.URL, p.Body)
	}
	return p
}

// tokens redeems what a login ends with.
func (w *samlTown) tokens(t *testing.T, b *servertest.Browser, p servertest.Page) servertest.Tokens {
	t.Helper()
	if p.Kind() == servertest.KindLogin {
		t.Fatalf("the answer of the identity provider did not log in: %v\n%s\n%s", w.refusals(t), p.Text(), w.Log)
	}
	return w.app.Redeem(t, b.LogIn(p, servertest.Person{}).Code(t))
}

// refusals are the reasons of refused logins elsewhere, in order.
func (w *samlTown) refusals(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, e := range w.events(t, audit.FederationLoginRefused) {
		out = append(out, e.Reason)
	}
	return out
}

// twisted is an assertion maker whose assertions are made wrong.
type twisted struct {
	twist func(*crewjam.IdpAuthnRequest)
}

func (m twisted) MakeAssertion(req *crewjam.IdpAuthnRequest, session *crewjam.Session) error {
	if err := (crewjam.DefaultAssertionMaker{}).MakeAssertion(req, session); err != nil {
		return err
	}
	m.twist(req)
	return nil
}
