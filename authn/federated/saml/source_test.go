package saml_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/beevik/etree"
	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/federated/saml"
)

func TestMetadataOfTheProvider(t *testing.T) {
	t.Parallel()
	k := makeKeys()
	good := idpMetadata(k)
	list := func(inner string) string {
		return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="2026-03-02T00:00:00Z">` + inner + `</md:EntitiesDescriptor>`
	}
	other := edit(t, edit(t, good, idpEntity, "https://other.example"), `ID="_metadata"`, `ID="_other"`)
	for name, c := range map[string]struct {
		text, entity string
		want         string // part of the error; "": none
	}{
		"one":                {good, "", ""},
		"one by name":        {good, idpEntity, ""},
		"one of a list":      {list(good), "", ""},
		"by name in a list":  {list(other + list(good)), idpEntity, ""},
		"no word on use":     {edit(t, good, ` use="signing"`, ""), "", ""},
		"another by name":    {good, "https://third.example", "no identity provider \"https://third.example\""},
		"two":                {list(good + other), "", "set entity_id"},
		"none":               {list(""), "", "no identity provider in it"},
		"a service provider": {edit(t, good, "IDPSSODescriptor", "SPSSODescriptor"), "", "no identity provider"},
		"no signing key":     {edit(t, good, ` use="signing"`, ` use="encryption"`), "", "no signing certificate"},
		"no usable binding":  {edit(t, edit(t, good, "HTTP-POST", "SOAP"), "HTTP-Redirect", "PAOS"), "", "no single sign-on service"},
		"a script":           {edit(t, good, idpSSO, "javascript:alert(1)"), "", "invalid url scheme"},
		"over":               {edit(t, good, ` ID="_metadata"`, ` validUntil="2026-03-01T12:00:00Z"`), "", "valid until 2026-03-01T12:00:00Z only"},
		"a list that is over": {
			edit(t, list(good), "2026-03-02T00:00:00Z", "2026-02-01T00:00:00Z"), "", "valid until 2026-02-01T00:00:00Z only",
		},
		"no certificate": {edit(t, good, "<ds:X509Certificate>", "<ds:X509Certificate>AAAA"), "", "certificate"},
		"HTML":           {"<html></html>", "", "its root is html"},
		"not XML":        {"no", "", "metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newWorld(t, nil).cfg
			cfg.IDP = saml.IDP{Metadata: []byte(c.text), EntityID: c.entity}
			p, err := saml.New(cfg)
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("New = %v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatalf("New: %v", err)
			}
			to, _, err := p.Begin(t.Context(), federated.Request{State: "s"})
			if err != nil || !strings.HasPrefix(to.URL, idpSSO+"&SAMLRequest=") {
				t.Errorf("Begin = %v, %v, want %s", to.URL, err, idpSSO)
			}
		})
	}
}

func TestSignedMetadata(t *testing.T) {
	t.Parallel()
	k := makeKeys()
	signedBy := func(key signingKey) string {
		doc := parse(t, strings.ReplaceAll(idpMetadata(k), "<!-- made by hand -->", ""))
		sign(t, key, doc.Root(), dsig.RSASHA256SignatureMethod)
		return write(t, doc)
	}
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"signed":    {signedBy(k.idp), true},
		"unsigned":  {idpMetadata(k), false},
		"foreign":   {signedBy(k.foreign), false},
		"altered":   {edit(t, signedBy(k.idp), "https://idp.example/post", "https://evil.example/post"), false},
		"key added": {edit(t, signedBy(k.idp), "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\"", "<md:KeyDescriptor/><md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:SOAP\""), false},
	} {
		cfg := newWorld(t, nil).cfg
		cfg.IDP = saml.IDP{Metadata: []byte(c.text), MetadataCertificates: []*x509.Certificate{k.idp.certificate}}
		if _, err := saml.New(cfg); (err == nil) != c.ok {
			t.Errorf("%s: New = %v, want ok %v", name, err, c.ok)
		}
	}
}

// metadataServer serves metadata and counts how often.
type metadataServer struct {
	*httptest.Server
	fetched atomic.Int64
	serve   atomic.Pointer[http.HandlerFunc]
}

func newMetadataServer(t *testing.T, serve http.HandlerFunc) *metadataServer {
	t.Helper()
	m := &metadataServer{}
	m.serve.Store(&serve)
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.fetched.Add(1)
		(*m.serve.Load())(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *metadataServer) becomes(serve http.HandlerFunc) { m.serve.Store(&serve) }

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/samlmetadata+xml")
		_, _ = w.Write([]byte(body))
	}
}

func fault(w http.ResponseWriter, _ *http.Request) { http.Error(w, "down", http.StatusBadGateway) }

// fetching is a provider whose metadata come from a server.
func fetching(t *testing.T, m *metadataServer) (*world, func() error) {
	t.Helper()
	w := newWorld(t, nil)
	cfg := w.cfg
	cfg.IDP = saml.IDP{MetadataURL: m.URL + "/metadata"}
	cfg.Client = m.Client()
	p, err := saml.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	w.p = p
	return w, func() error {
		_, _, err := p.Begin(t.Context(), federated.Request{State: "s"})
		return err
	}
}

func TestMetadataAreFetchedWhenNeeded(t *testing.T) {
	t.Parallel()
	m := newMetadataServer(t, text(idpMetadata(makeKeys())))
	w, begin := fetching(t, m)
	if m.fetched.Load() != 0 {
		t.Error("metadata were fetched at the start")
	}
	step := func(after time.Duration, want int64) {
		t.Helper()
		w.now = w.now.Add(after)
		if err := begin(); err != nil {
			t.Fatalf("Begin: %v", err)
		}
		if got := m.fetched.Load(); got != want {
			t.Errorf("after %v fetched %d times, want %d", after, got, want)
		}
	}
	step(0, 1)
	step(59*time.Minute, 1)
	step(2*time.Minute, 2)
	// A provider that goes down keeps nobody out while what is known is good.
	m.becomes(fault)
	step(2*time.Hour, 3)
	step(30*time.Second, 3) // no new try within the minute
	step(time.Minute, 4)
	w.now = w.now.Add(8 * 24 * time.Hour)
	if err := begin(); reasonOf(err) != federated.Unavailable {
		t.Errorf("a week later: %v, want %s", err, federated.Unavailable)
	}
	m.becomes(text(idpMetadata(makeKeys())))
	step(2*time.Minute, 6)
}

func reasonOf(err error) federated.Reason {
	reason, _ := federated.ReasonOf(err)
	return reason
}

func TestMetadataCacheTimes(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string]time.Duration{
		`cacheDuration="PT15M"`: 15 * time.Minute, `cacheDuration="PT1S"`: 5 * time.Minute, `cacheDuration="P30D"`: 24 * time.Hour,
	} {
		m := newMetadataServer(t, text(edit(t, idpMetadata(makeKeys()), `ID="_metadata"`, asked)))
		w, begin := fetching(t, m)
		for i, at := range []time.Duration{0, want - time.Second, want + time.Second} {
			w.now = noon().Add(at)
			if err := begin(); err != nil {
				t.Fatalf("%s: %v", asked, err)
			}
			if got, want := m.fetched.Load(), []int64{1, 1, 2}[i]; got != want {
				t.Errorf("%s: after %v fetched %d times, want %d", asked, at, got, want)
			}
		}
	}
}

func TestMetadataThatAreNone(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"an error": fault,
		"HTML": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte(idpMetadata(makeKeys())))
		},
		"too large": text("<!--" + strings.Repeat("x", 3<<20) + "-->" + idpMetadata(makeKeys())),
		"no XML":    text("{}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMetadataServer(t, serve)
			_, begin := fetching(t, m)
			for range 3 {
				if err := begin(); reasonOf(err) != federated.Unavailable {
					t.Errorf("Begin = %v, want %s", err, federated.Unavailable)
				}
			}
			if got := m.fetched.Load(); got != 1 {
				t.Errorf("fetched %d times within a minute, want 1", got)
			}
		})
	}
}

// While the metadata are fetched anew, others go on with those that are known.
func TestMetadataAreFetchedByOne(t *testing.T) {
	t.Parallel()
	m := newMetadataServer(t, text(idpMetadata(makeKeys())))
	w, begin := fetching(t, m)
	if err := begin(); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(2 * time.Hour)
	entered, release := make(chan struct{}), make(chan struct{})
	m.becomes(func(rw http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		text(idpMetadata(makeKeys()))(rw, r)
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := begin(); err != nil {
			t.Errorf("Begin: %v", err)
		}
	})
	<-entered
	for range 5 {
		if err := begin(); err != nil {
			t.Errorf("Begin while another fetches: %v", err)
		}
	}
	close(release)
	wg.Wait()
	if got := m.fetched.Load(); got != 2 {
		t.Errorf("fetched %d times, want 2", got)
	}
}

// A provider that has become another since the request is not believed.
func TestEntityChangedDuringTheLogin(t *testing.T) {
	t.Parallel()
	m := newMetadataServer(t, text(idpMetadata(makeKeys())))
	w, _ := fetching(t, m)
	w.begin(federated.Request{State: "s"})
	answered := w.signed(w.document())
	m.becomes(text(edit(t, idpMetadata(makeKeys()), idpEntity, "https://new.example")))
	w.now = w.now.Add(61 * time.Minute)
	w.refused(answered, federated.WrongIssuer)
}

// Our metadata have what an identity provider needs and nothing that is not
// offered. That others read them is shown where people log in there.
func TestOurMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	text, err := w.p.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	doc := etree.NewDocument()
	if err := doc.ReadFromBytes(text); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"SingleLogoutService", "ArtifactResolutionService", "validUntil", "HTTP-Artifact", "PRIVATE", "rsa-1_5"} {
		if bytes.Contains(text, []byte(gone)) {
			t.Errorf("the metadata have %s:\n%s", gone, text)
		}
	}
	if got := doc.Root().SelectAttrValue("entityID", ""); got != ourEntity {
		t.Errorf("entityID = %q", got)
	}
	acs := doc.FindElements("//AssertionConsumerService")
	if len(acs) != 1 || acs[0].SelectAttrValue("Location", "") != ourACS || acs[0].SelectAttrValue("Binding", "") != crewjam.HTTPPostBinding {
		t.Errorf("services = %v", acs)
	}
	if got := doc.FindElement("//SPSSODescriptor").SelectAttrValue("AuthnRequestsSigned", ""); got != "true" {
		t.Errorf("AuthnRequestsSigned = %q", got)
	}
	uses := map[string]bool{}
	for _, key := range doc.FindElements("//KeyDescriptor") {
		uses[key.SelectAttrValue("use", "")] = true
	}
	if !uses["signing"] || !uses["encryption"] || len(uses) != 2 {
		t.Errorf("keys for %v", uses)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	k := makeKeys()
	text, err := k.ours.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := saml.ParseKey(text)
	if err != nil || !again.Certificate().Equal(k.ours.Certificate()) {
		t.Fatalf("ParseKey = %v, %v", again, err)
	}
	if shown := fmt.Sprintf("%v %+v %#v %s", k.ours, k.ours, k.ours, k.ours); strings.Contains(shown, "0x") || !strings.Contains(shown, "hidden") {
		t.Errorf("a key prints as %s", shown)
	}
	if certificate := k.ours.Certificate(); certificate.NotAfter.Before(noon().AddDate(19, 0, 0)) || len(certificate.Subject.CommonName) > 64 {
		t.Errorf("certificate of %s until %v", certificate.Subject, certificate.NotAfter)
	}
	foreign := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.idp.certificate.Raw})
	private, _ := pem.Decode(text)
	key := pem.EncodeToMemory(private)
	for name, bad := range map[string][]byte{
		"nothing": nil, "no certificate": key, "no key": foreign, "certificate of another": append(bytes.Clone(key), foreign...),
		"no key inside": []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
	} {
		if _, err := saml.ParseKey(bad); err == nil {
			t.Errorf("%s: ParseKey took it", name)
		}
	}
	if _, err := (saml.Key{}).Marshal(); err == nil {
		t.Error("Marshal wrote no key")
	}
}

func TestParseCertificates(t *testing.T) {
	t.Parallel()
	k := makeKeys()
	block := func(key signingKey) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: key.certificate.Raw}))
	}
	if got, err := saml.ParseCertificates([]byte(block(k.idp) + "\n# next\n" + block(k.foreign))); err != nil || len(got) != 2 {
		t.Errorf("ParseCertificates = %d, %v, want 2", len(got), err)
	}
	for _, bad := range []string{"", "text", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"} {
		if _, err := saml.ParseCertificates([]byte(bad)); err == nil {
			t.Errorf("ParseCertificates(%q) took it", bad)
		}
	}
}

func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	good := newWorld(t, nil).cfg
	for name, change := range map[string]func(*saml.Config){
		"no entity id":       func(c *saml.Config) { c.EntityID = "" },
		"no ACS":             func(c *saml.Config) { c.ACS = "" },
		"no key":             func(c *saml.Config) { c.Key = saml.Key{} },
		"no replay store":    func(c *saml.Config) { c.Replays = nil },
		"no clock":           func(c *saml.Config) { c.Now = nil },
		"skew too large":     func(c *saml.Config) { c.Skew = saml.MaxSkew + 1 },
		"skew below zero":    func(c *saml.Config) { c.Skew = -1 },
		"artifact":           func(c *saml.Config) { c.Binding = "artifact" },
		"nobody":             func(c *saml.Config) { c.IDP = saml.IDP{} },
		"two ways":           func(c *saml.Config) { c.IDP.MetadataURL = "https://idp.example" },
		"no client":          func(c *saml.Config) { c.IDP = saml.IDP{MetadataURL: "https://idp.example"} },
		"no certificates":    func(c *saml.Config) { c.IDP.Certificates = nil },
		"no name":            func(c *saml.Config) { c.IDP.EntityID = "" },
		"no URL of requests": func(c *saml.Config) { c.IDP.SSOURL = "/sso" },
	} {
		cfg := good
		change(&cfg)
		if _, err := saml.New(cfg); err == nil {
			t.Errorf("%s: New took it", name)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	k := makeKeys()
	w := newWorld(t, func(c *saml.Config) {
		c.IDP.Certificates = []*x509.Certificate{k.former.certificate, k.idp.certificate}
	})
	findings, err := w.p.Probe(t.Context())
	all := strings.Join(findings, "\n")
	if err != nil || !strings.Contains(all, idpEntity) || !strings.Contains(all, ourACS) || strings.Count(all, "NOT VALID NOW") != 1 {
		t.Errorf("Probe = %v\n%s", err, all)
	}
	w.now = noon().AddDate(0, 11, 15)
	if findings, err = w.p.Probe(t.Context()); err != nil || !strings.Contains(strings.Join(findings, "\n"), "ends soon") {
		t.Errorf("Probe = %v\n%v", err, findings)
	}
	w.now = noon().AddDate(5, 0, 0)
	if _, err := w.p.Probe(t.Context()); err == nil {
		t.Error("Probe finds nothing wrong with certificates that are over")
	}
	m := newMetadataServer(t, fault)
	down, _ := fetching(t, m)
	if _, err := down.p.Probe(t.Context()); reasonOf(err) != federated.Unavailable {
		t.Errorf("Probe = %v, want %s", err, federated.Unavailable)
	}
	post := newWorld(t, func(c *saml.Config) {
		c.IDP, c.Binding = saml.IDP{Metadata: []byte(edit(t, idpMetadata(k), "HTTP-POST", "SOAP"))}, ""
	})
	cfg := post.cfg
	cfg.Binding = saml.ByPost
	p, err := saml.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "takes no requests by HTTP-POST") {
		t.Errorf("Probe = %v", err)
	}
}
