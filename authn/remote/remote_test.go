package remote_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/outgoing"
	"github.com/sallyport-id/sallyport/authn/remote"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
)

const issuer = "https://id.example.com"

var (
	secret = []byte("a secret of exactly 32 bytes....")
	noon   = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	ann    = authn.User{ID: "u1", UserName: "ann", Object: schema.Object{"employeeNumber": "77"}}
)

// service is an authenticator of others: it answers as reply says.
type service struct {
	*httptest.Server
	asked []remote.Request
	reply func(req remote.Request) remote.Reply
	write func(w http.ResponseWriter, text string) // nil: as it should be
	typ   string
	key   []byte
	alg   jose.SignatureAlgorithm
}

func newService(t *testing.T, reply func(remote.Request) remote.Reply) *service {
	t.Helper()
	s := &service{reply: reply, typ: remote.TypeReply, key: secret, alg: jose.HS256}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP implements http.Handler.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Content-Type") != "application/jwt" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	jws, err := jose.ParseSignedCompact(string(body), []jose.SignatureAlgorithm{jose.HS256})
	if err != nil || jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType] != remote.TypeRequest {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	payload, err := jws.Verify(secret)
	if err != nil {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	var req remote.Request
	if err := json.Unmarshal(payload, &req); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.asked = append(s.asked, req)
	text, err := s.sign(s.reply(req))
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if s.write != nil {
		s.write(w, text)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = io.WriteString(w, text)
}

func (s *service) sign(r remote.Reply) (string, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: s.alg, Key: s.key}, (&jose.SignerOptions{}).WithType(jose.ContentType(s.typ)))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(text)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

func (s *service) authenticator(t *testing.T, kind authn.Kind) *remote.Authenticator {
	t.Helper()
	if kind.Category == "" {
		kind.Category = acr.Possession
	}
	kind.AMR = []string{"hwk", "pin"}
	a, err := remote.New(remote.Config{
		Factor: "card", Kind: kind, Label: "Card", URL: s.URL, Secret: secret, Issuer: issuer,
		Value:  func(o schema.Object) string { text, _ := o["employeeNumber"].(string); return text },
		Client: outgoing.Rules{AllowPrivate: true}.Client(), Now: func() time.Time { return noon },
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// to is a reply as it should be.
func to(req remote.Request, status remote.Status) remote.Reply {
	return remote.Reply{Audience: req.Issuer, InReplyTo: req.ID, IssuedAt: noon.Unix(), Status: status}
}

func attempt() authn.Attempt {
	return authn.Attempt{User: ann, Credential: "card:1", Txn: "t1", ClientID: "app", UserAgent: "agent", Languages: "de"}
}

func TestStartAndCheck(t *testing.T) {
	t.Parallel()
	s := newService(t, func(req remote.Request) remote.Reply {
		if req.Operation == remote.Start {
			r := to(req, remote.Started)
			r.Data, r.Prompt, r.ExpiresIn = json.RawMessage(`{"n":1}`), "Press the key.", 120
			return r
		}
		if string(req.Data) == `{"n":1}` && req.Answer == "123456" {
			r := to(req, remote.Success)
			r.AMR = []string{"hwk"}
			return r
		}
		return to(req, remote.Failure)
	})
	a := s.authenticator(t, authn.Kind{Starts: true})
	at := attempt()
	started, err := a.Start(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	want := authn.Started{Data: json.RawMessage(`{"n":1}`), Prompt: "Press the key.", Expires: noon.Add(2 * time.Minute)}
	if diff := cmp.Diff(want, started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
	at.Data = started.Data
	for answer, right := range map[string]bool{"123456": true, "123457": false} {
		v, err := a.Check(t.Context(), at, answer)
		if err != nil || v.Right != right {
			t.Errorf("%s: %+v, %v", answer, v, err)
		}
	}
	first := s.asked[0]
	if first.ID == s.asked[1].ID || len(first.ID) < 20 {
		t.Errorf("ids %q and %q", first.ID, s.asked[1].ID)
	}
	first.ID = ""
	wantRequest := remote.Request{
		Issuer: issuer, Audience: s.URL, IssuedAt: noon.Unix(), Expires: noon.Unix() + 60, Operation: remote.Start,
		Authenticator: "card", Transaction: "t1", User: &remote.Subject{ID: "u1", UserName: "ann", Value: "77"},
		Credential: "card:1", ClientID: "app", UserAgent: "agent", Languages: "de",
	}
	if diff := cmp.Diff(wantRequest, first); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

// TestNobodyIsNeverRight asks also for a name that is nobody's, and believes no
// success of it.
func TestNobodyIsNeverRight(t *testing.T) {
	t.Parallel()
	s := newService(t, func(req remote.Request) remote.Reply { return to(req, remote.Success) })
	at := attempt()
	at.User = authn.User{}
	v, err := s.authenticator(t, authn.Kind{First: true}).Check(t.Context(), at, "123456")
	if err != nil || v.Right || len(s.asked) != 1 || s.asked[0].User != nil {
		t.Errorf("verdict %+v, %v; asked %+v", v, err, s.asked)
	}
}

// TestUnacceptableReplies takes whatever is not the signed reply to this request
// for "not available": neither a success nor a wrong answer.
func TestUnacceptableReplies(t *testing.T) {
	t.Parallel()
	success := func(req remote.Request) remote.Reply { return to(req, remote.Success) }
	with := func(edit func(*remote.Reply)) func(remote.Request) remote.Reply {
		return func(req remote.Request) remote.Reply {
			r := success(req)
			edit(&r)
			return r
		}
	}
	for name, change := range map[string]func(*service){
		"another key": func(s *service) { s.key = []byte("another secret of 32 bytes here.") },
		"another alg": func(s *service) { s.alg, s.key = jose.HS384, []byte(strings.Repeat("k", 48)) },
		"another typ": func(s *service) { s.typ = remote.TypeRequest },
		"status 500": func(s *service) {
			s.write = func(w http.ResponseWriter, _ string) { w.WriteHeader(http.StatusInternalServerError) }
		},
		"a redirect": func(s *service) {
			s.write = func(w http.ResponseWriter, _ string) {
				w.Header().Set("Location", "/")
				w.WriteHeader(http.StatusFound)
			}
		},
		"media type": func(s *service) {
			s.write = func(w http.ResponseWriter, text string) { _, _ = io.WriteString(w, text) }
		},
		"empty":         func(s *service) { s.write = answer("") },
		"unsigned":      func(s *service) { s.write = answer("eyJhbGciOiJub25lIn0.e30.") },
		"too long":      func(s *service) { s.write = answer(strings.Repeat("a", 1<<20)) },
		"a flipped bit": func(s *service) { s.write = flipped },
		"other request": func(s *service) { s.reply = with(func(r *remote.Reply) { r.InReplyTo = "x" }) },
		"other issuer":  func(s *service) { s.reply = with(func(r *remote.Reply) { r.Audience = "https://other.example" }) },
		"old":           func(s *service) { s.reply = with(func(r *remote.Reply) { r.IssuedAt -= 61 }) },
		"of tomorrow":   func(s *service) { s.reply = with(func(r *remote.Reply) { r.IssuedAt += 61 }) },
		"expired":       func(s *service) { s.reply = with(func(r *remote.Reply) { r.Expires = noon.Unix() - 61 }) },
		"status":        func(s *service) { s.reply = with(func(r *remote.Reply) { r.Status = "yes" }) },
		"for start":     func(s *service) { s.reply = with(func(r *remote.Reply) { r.Status = remote.Started }) },
		"it waits":      func(s *service) { s.reply = with(func(r *remote.Reply) { r.Status = remote.Pending }) },
		"more amr":      func(s *service) { s.reply = with(func(r *remote.Reply) { r.AMR = []string{"mfa"} }) },
		"says so":       func(s *service) { s.reply = with(func(r *remote.Reply) { r.Status = remote.Unavailable }) },
		"down":          func(s *service) { s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t, success)
			a := s.authenticator(t, authn.Kind{})
			if v, err := a.Check(t.Context(), attempt(), "1"); err != nil || !v.Right {
				t.Fatalf("unchanged: %+v, %v", v, err)
			}
			change(s)
			v, err := a.Check(t.Context(), attempt(), "1")
			if !errors.Is(err, authn.ErrUnavailable) || v.Right {
				t.Errorf("verdict %+v, %v", v, err)
			}
			if err != nil && strings.Contains(err.Error(), string(secret)) {
				t.Error("the error tells the secret")
			}
		})
	}
}

func answer(text string) func(http.ResponseWriter, string) {
	return func(w http.ResponseWriter, _ string) {
		w.Header().Set("Content-Type", "application/jwt")
		_, _ = io.WriteString(w, text)
	}
}

// flipped changes a letter in the middle of the payload.
func flipped(w http.ResponseWriter, text string) {
	b := []byte(text)
	at := len(b) / 2
	if b[at] == 'A' {
		b[at] = 'B'
	} else {
		b[at] = 'A'
	}
	answer(string(b))(w, "")
}

func TestWaits(t *testing.T) {
	t.Parallel()
	s := newService(t, func(req remote.Request) remote.Reply { return to(req, remote.Pending) })
	v, err := s.authenticator(t, authn.Kind{Starts: true, Waits: true}).Check(t.Context(), attempt(), "")
	if err != nil || !v.Pending || v.Right {
		t.Errorf("verdict %+v, %v", v, err)
	}
}

// TestCredentialFollowsValue makes another value another credential, without
// telling the value.
func TestCredentialFollowsValue(t *testing.T) {
	t.Parallel()
	s := newService(t, func(req remote.Request) remote.Reply { return to(req, remote.Failure) })
	a := s.authenticator(t, authn.Kind{})
	name := func(number string) string {
		u := ann
		u.Object = schema.Object{"employeeNumber": number}
		list, err := a.Credentials(context.Background(), u, validation.Holdings{})
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			return ""
		}
		return list[0].Name
	}
	if one, two := name("77"), name("78"); one == two || one != name("77") || !strings.HasPrefix(one, "card:") || strings.Contains(one, "77,") {
		t.Errorf("names %q and %q", one, two)
	}
	if got := name(""); got != "" {
		t.Errorf("without a value: %q", got)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := remote.Config{
		Factor: "card", Kind: authn.Kind{Category: acr.Possession, AMR: []string{"hwk"}}, URL: "https://a.example",
		Secret: secret, Issuer: issuer, Client: http.DefaultClient, Now: time.Now,
	}
	for name, edit := range map[string]func(*remote.Config){
		"short secret": func(c *remote.Config) { c.Secret = secret[:31] },
		"no category":  func(c *remote.Config) { c.Kind.Category = "" },
		"no amr":       func(c *remote.Config) { c.Kind.AMR = nil },
		"no URL":       func(c *remote.Config) { c.URL = "" },
	} {
		c := good
		edit(&c)
		if _, err := remote.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := remote.New(good); err != nil {
		t.Error(err)
	}
}
