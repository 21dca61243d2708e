package bench

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/storage/baseline"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// bareHandlers serves the baselines over a database that the server has made.
func bareHandlers(t *testing.T, o *storagetest.Opener) *httptest.Server {
	t.Helper()
	o.Open(t)
	address := o.Config.URL
	if address == "" {
		address = "sqlite:" + o.Config.DataDir + "/sallyport.db"
	}
	db, err := baseline.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	if err := serveProvider(t.Context(), db, mux); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(func() {
		s.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// execute runs a statement behind the baselines.
func execute(t *testing.T, o *storagetest.Opener, statement string, args ...any) {
	t.Helper()
	if _, err := o.Raw(t).ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// reply is an answer with its body read.
type reply struct {
	StatusCode int
	Header     http.Header
}

// send sends a request without following redirects.
func send(t *testing.T, method, address, body string, header ...string) (reply, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header}, string(text)
}

// The baselines do what they are the limit of: a code is there once, and a
// token is good as long as all that it depends on. Otherwise they would be
// unbeatable.
func TestBareProvider(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		s := bareHandlers(t, o)
		count := func(query string) (n int) {
			if err := o.Raw(t).QueryRowContext(t.Context(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n
		}
		if res, _ := send(t, "POST", s.URL+grantPath, ""); res.StatusCode != http.StatusSeeOther || !strings.Contains(res.Header.Get("Location"), "?code=") {
			t.Errorf("grant: %d, Location %q", res.StatusCode, res.Header.Get("Location"))
		}
		if n := count("SELECT count(*) FROM oauth_grants WHERE code_used_at = 0"); n != 1 {
			t.Errorf("%d grants after one insert", n)
		}
		if res, body := send(t, "POST", s.URL+stockPath+"3/6", ""); res.StatusCode != http.StatusNoContent {
			t.Fatalf("stock: %d %s", res.StatusCode, body)
		}
		res, body := send(t, "POST", s.URL+redeemPath, "code="+stockOfCodes+"4")
		var got tokens
		if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != http.StatusOK || len(strings.Split(got.Access, ".")) != 3 || got.ID == "" {
			t.Errorf("redeem: %d %s", res.StatusCode, body)
		}
		if n := count("SELECT count(*) FROM oauth_grants WHERE code_used_at <> 0"); n != 1 {
			t.Errorf("%d codes used after one exchange", n)
		}
		for _, code := range []string{stockOfCodes + "4", "never"} {
			if res, _ := send(t, "POST", s.URL+redeemPath, "code="+code); res.StatusCode != http.StatusBadRequest {
				t.Errorf("redeem %s: %d, want 400", code, res.StatusCode)
			}
		}
	})
}

// keyHandler signs as the server does.
func keyHandler(t *testing.T) (*providerHandlers, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	text := base64.RawURLEncoding.EncodeToString
	return &providerHandlers{key: key}, `{"kty":"EC","crv":"P-256","kid":"k1","x":"` + text(point[1:33]) + `","y":"` + text(point[33:]) + `"}`
}

func TestBareLookUps(t *testing.T) {
	t.Parallel()
	storagetest.EachDatabase(t, func(t *testing.T, o *storagetest.Opener) {
		s := bareHandlers(t, o)
		now := time.Now()
		later, doc := now.Add(time.Hour).UnixMicro(), `{"scopes":["openid"]}`
		user := `{"id":"u1","userName":"ada","emails":[{"value":"ada@example.com"}]}`
		execute(t, o, `INSERT INTO resources (type, id, domain, version, created, last_modified, name_key, external_id, doc, keys)
			VALUES ('User', 'u1', '', 1, 1, 1, 'ada', '', $1, $2)`, user, `{}`)
		execute(t, o, `INSERT INTO oauth_clients (id, doc, secrets, disabled, created_at, updated_at) VALUES ('c1', '{}', '[]', 0, 1, 1)`)
		execute(t, o, `INSERT INTO sessions (id, user_id, created_at, expires_at, ip, user_agent, proofs) VALUES ('s1', 'u1', 1, $1, '', '', '[]')`, later)
		execute(t, o, `INSERT INTO oauth_grants (id, client_id, user_id, session_id, doc, key_thumbprint, code_expires_at, code_used_at,
			created_at, expires_at, revoked_at) VALUES ('g1', 'c1', 'u1', 's1', $1, '', 0, 1, 1, $2, 0)`, doc, later)
		hash := oauthHash("opaque")
		execute(t, o, `INSERT INTO oauth_access_tokens (hash, grant_id, scopes, audience, created_at, expires_at)
			VALUES ($1, 'g1', '["openid"]', '[]', 1, $2)`, hash, later)
		signer, jwk := keyHandler(t)
		signed, err := signer.sign(`{"alg":"ES256","kid":"k1"}`, `{"jti":"g1.x"}`)
		if err != nil {
			t.Fatal(err)
		}
		if res, body := send(t, "PUT", s.URL+keyPath, jwk); res.StatusCode != http.StatusNoContent {
			t.Fatalf("key: %d %s", res.StatusCode, body)
		}
		active := func(want int) {
			t.Helper()
			for path, token := range map[string]string{lookupPath: "opaque", verifyPath: signed} {
				if res, body := send(t, "POST", s.URL+path, "token="+token); res.StatusCode != want {
					t.Errorf("%s: %d %s, want %d", path, res.StatusCode, body, want)
				}
			}
		}
		active(200)
		if res, body := send(t, "GET", s.URL+personPath, "", "Authorization", "Bearer opaque"); res.StatusCode != http.StatusOK || !strings.Contains(body, `"email":"ada@example.com"`) {
			t.Errorf("person: %d %s", res.StatusCode, body)
		}
		other, _ := keyHandler(t)
		forged, err := other.sign(`{"alg":"ES256","kid":"k1"}`, `{"jti":"g1.x"}`)
		if err != nil {
			t.Fatal(err)
		}
		for _, token := range []string{forged, signed[:len(signed)-2], "x", "a.b.c"} {
			if res, _ := send(t, "POST", s.URL+verifyPath, "token="+token); res.StatusCode != http.StatusBadRequest {
				t.Errorf("verify %.20s: %d, want 400", token, res.StatusCode)
			}
		}
		execute(t, o, "UPDATE sessions SET expires_at = 1")
		active(400)
		execute(t, o, "UPDATE sessions SET expires_at = $1", later)
		active(200)
		execute(t, o, "UPDATE oauth_grants SET revoked_at = 1")
		active(400)
	})
}

func oauthHash(token string) []byte {
	h := grantRow(token, time.Now())
	return h.CodeHash
}

func TestBareStaticAndArgon(t *testing.T) {
	t.Parallel()
	s := bareHandlers(t, storagetest.SQLite(t))
	if res, body := send(t, "GET", s.URL+staticPath+"1234", ""); res.StatusCode != http.StatusOK || len(body) != 1234 {
		t.Errorf("static: %d, %d bytes", res.StatusCode, len(body))
	}
	for _, size := range []string{"-1", "x", "99999999"} {
		if res, _ := send(t, "GET", s.URL+staticPath+size, ""); res.StatusCode != http.StatusBadRequest {
			t.Errorf("static %s: %d, want 400", size, res.StatusCode)
		}
	}
	one, _ := send(t, "POST", s.URL+argonPath, "a password")
	two, _ := send(t, "POST", s.URL+argonPath, "another one")
	if a, b := one.Header.Get("Location"), two.Header.Get("Location"); one.StatusCode != http.StatusSeeOther || a == b || len(a) != len("/")+43 {
		t.Errorf("argon2id: %d, %q and %q", one.StatusCode, a, b)
	}
}

// Every row names targets that exist, and every target serves a row.
func TestLoginRowsNameTargets(t *testing.T) {
	t.Parallel()
	l := &logins{stage: &stage{Bench: &Bench{}}}
	there := map[string]bool{}
	for _, target := range l.allTargets() {
		there[target.name] = true
	}
	used := map[string]bool{}
	for _, r := range loginRows() {
		for _, name := range []string{r.target, r.baseline} {
			if used[name] = true; !there[name] {
				t.Errorf("row %s: there is no target %q", r.key, name)
			}
		}
	}
	for name := range there {
		if !used[name] {
			t.Errorf("target %s serves no row", name)
		}
	}
	l.Only = []string{"discovery", "introspect-half-load"}
	names := map[string]bool{}
	for _, target := range l.targets() {
		names[target.name] = true
	}
	if len(names) != 4 || !names[tDiscovery] || !names[tStaticDiscovery] || !names[tIntrospect] || !names[tLookup] {
		t.Errorf("targets of two rows: %v", names)
	}
}

// A request is what applications and browsers send.
func TestLoginRequests(t *testing.T) {
	t.Parallel()
	w := &worker{site: site{address: "h:1"}}
	for name, c := range map[string]struct{ got, want string }{
		"page":   {string(w.plain("/x", "a=b")), "GET /x HTTP/1.1\r\nHost: h:1\r\nCookie: a=b\r\n\r\n"},
		"bearer": {string(w.bearer("/x", "t")), "GET /x HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\n\r\n"},
	} {
		if c.got != c.want {
			t.Errorf("%s = %q, want %q", name, c.got, c.want)
		}
	}
	r := readRequest(t, w.form("/t", basic{"my app", "s:1"}, "a=b"))
	if id, secret, ok := r.BasicAuth(); !ok || id != "my+app" || secret != "s%3A1" || r.PostFormValue("a") != "b" {
		t.Errorf("client %q, %q, a = %q", id, secret, r.PostFormValue("a"))
	}
	r = readRequest(t, w.submit(form{"t1", "c+/=", "sp_browser=b"}, "ada@example.com"))
	if r.URL.Path != "/login/t1/login" || r.PostFormValue("csrf") != "c+/=" || r.PostFormValue("username") != "ada@example.com" ||
		r.PostFormValue("password") != benchPassword {
		t.Errorf("%s with %v", r.URL, r.PostForm)
	}
	u, err := url.Parse(application{basic{"app", ""}}.authorizePath("none"))
	if err != nil || u.Query().Get("scope") != benchScopes || u.Query().Get("redirect_uri") != benchRedirect || u.Query().Get("prompt") != "none" {
		t.Errorf("authorize at %v, %v", u, err)
	}
}

func readRequest(t *testing.T, raw []byte) *http.Request {
	t.Helper()
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Browsers act on what connections keep, and only that is kept.
func TestConnKeepsHeaders(t *testing.T) {
	t.Parallel()
	conn, theirs := pipe(t)
	conn.keep = true
	go func() {
		for range 2 {
			_, _ = io.ReadFull(theirs, make([]byte, 3))
			_, _ = io.WriteString(theirs, "HTTP/1.1 303 See Other\r\nLocation: https://a.example/?code=c1&state=s\r\nX-Other: code=c2&\r\n"+
				"set-cookie: sp_session=s1; Path=/\r\nContent-Length: 0\r\n\r\n")
		}
	}()
	for range 2 { // the second answer does not add to the first
		if status, err := conn.do([]byte("GET"), nil); err != nil || status != 303 {
			t.Fatal(status, err)
		}
	}
	if conn.between("code=", "&") != "c1" || conn.between(sessionCookie+"=", ";") != "s1" || bytes.Count(conn.kept, []byte("code=")) != 1 {
		t.Errorf("kept %q", conn.kept)
	}
	if hasCode(conn) != nil || hasSession(conn) != nil {
		t.Errorf("%v, %v", hasCode(conn), hasSession(conn))
	}
	conn.kept = []byte("Location: https://a.example/?error=login_required\r\nSet-Cookie: sp_session=; Max-Age=0\r\n")
	if hasCode(conn) == nil || hasSession(conn) == nil {
		t.Errorf("a refusal passes for a login")
	}
}

// A slice that finds the stock spent says so; it is not counted as slow. What
// one slice used decides how much the next gets.
func TestStock(t *testing.T) {
	t.Parallel()
	var s stock[string]
	st := testStage(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	err := s.fill(t.Context(), st, 2, 5, func(_ *worker, i int) (string, error) { return fmt.Sprint(i), nil })
	if err != nil || strings.Join(s.items, "") != "01234" {
		t.Fatalf("stock %q, %v", s.items, err)
	}
	w := &worker{}
	for i := range 5 {
		if got := string(taking(&s, w, func(v string) []byte { return []byte(v) })); got != fmt.Sprint(i) {
			t.Errorf("take %d = %q", i, got)
		}
	}
	if got := taking(&s, w, func(v string) []byte { return []byte(v) }); got != nil || !errors.Is(w.failed, errSpent) {
		t.Errorf("take from nothing = %q, %v", got, w.failed)
	}
	broken := errors.New("broken")
	if err := s.fill(t.Context(), st, 2, 5, func(*worker, int) (string, error) { return "", broken }); !errors.Is(err, broken) {
		t.Errorf("fill = %v, want %v", err, broken)
	}
	first := s.want(nil, 100, time.Second)
	more := s.want([]*slice{{requests: 1000, wall: time.Second}}, 100, time.Second)
	if first < 100 || more < 1500 || s.want(nil, 100, time.Second) != more {
		t.Errorf("wants %d, then %d", first, more)
	}
}

func TestSignerOf(t *testing.T) {
	t.Parallel()
	head := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","kid":"b"}`))
	set := []byte(`{"keys":[{"kid":"a","x":"1"},{"kid":"b","x":"2"}]}`)
	if key, err := signerOf(set, head+".e.s"); err != nil || string(key) != `{"kid":"b","x":"2"}` {
		t.Errorf("signer %s, %v", key, err)
	}
	for _, c := range [][2]string{{`{"keys":[]}`, head}, {`{`, head}, {string(set), "?"}} {
		if key, err := signerOf([]byte(c[0]), c[1]); err == nil {
			t.Errorf("signer of %q in %s = %s", c[1], c[0], key)
		}
	}
}
