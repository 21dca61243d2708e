package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/sallyport-id/sallyport/oidc"
)

// Paths of the server.
const (
	authorizePath  = oidc.PathAuthorize
	tokenPath      = oidc.PathToken
	introspectPath = oidc.PathIntrospect
	userInfoPath   = oidc.PathUserInfo
	jwksPath       = oidc.PathJWKS
	discoveryPath  = "/.well-known/openid-configuration"
)

// Cookies of a server on the loopback interface.
const (
	sessionCookie = "sp_session"
	browserCookie = "sp_browser"
)

// What applications send. The challenge is that of the verifier (RFC 7636
// appendix B).
const (
	benchRedirect  = "https://app.example.com/callback"
	benchScopes    = "openid profile email " + apiScope
	benchNonce     = "n-0S6_WzA2Mj"
	benchVerifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	benchChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	benchPassword  = "correct horse battery staple"
)

// application is a client.
type application struct{ basic }

// authorizePath is a request for a code; prompt may be empty.
func (a application) authorizePath(prompt string) string {
	q := "?response_type=code&client_id=" + a.id + "&scope=" + url.QueryEscape(benchScopes) + "&state=af0ifjsldkj&nonce=" + benchNonce +
		"&redirect_uri=" + url.QueryEscape(benchRedirect) + "&code_challenge=" + benchChallenge + "&code_challenge_method=S256"
	if prompt != "" {
		q += "&prompt=" + prompt
	}
	return authorizePath + q
}

// visitor is somebody with a password, and the browser in which they are
// logged in.
type visitor struct{ name, cookie string }

// tokens are the answer of the token endpoint.
type tokens struct {
	Access string `json:"access_token"`
	ID     string `json:"id_token"`
}

// form is a page that asks for a password.
type form struct{ txn, csrf, cookie string }

// ask is one request that a browser or an application makes.
type ask struct {
	method, path, cookie string
	authorization        string
	body                 string
}

// send appends the request to b.
func (s site) send(b []byte, q ask) []byte {
	b = append(b, q.method...)
	b = append(b, ' ')
	b = append(b, q.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, s.address...)
	for _, h := range [2][2]string{{"Cookie", q.cookie}, {"Authorization", q.authorization}} {
		if h[1] != "" {
			b = append(b, "\r\n"...)
			b = append(b, h[0]...)
			b = append(b, ": "...)
			b = append(b, h[1]...)
		}
	}
	if q.method == "POST" {
		b = append(b, "\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(q.body)), 10)
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, q.body...)
}

// header is the value of Authorization; "" for nobody.
func (a basic) header() string {
	if a.id == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(a.id)+":"+url.QueryEscape(a.secret)))
}

func (w *worker) plain(path, cookie string) []byte {
	w.buf = w.site.send(w.buf[:0], ask{method: "GET", path: path, cookie: cookie})
	return w.buf
}

func (w *worker) bearer(path, token string) []byte {
	w.buf = w.site.send(w.buf[:0], ask{method: "GET", path: path, authorization: "Bearer " + token})
	return w.buf
}

func (w *worker) form(path string, as basic, body string) []byte {
	w.buf = w.site.send(w.buf[:0], ask{method: "POST", path: path, authorization: as.header(), body: body})
	return w.buf
}

// submit sends name and password from a form.
func (w *worker) submit(f form, name string) []byte {
	w.buf = w.site.send(w.buf[:0], ask{
		method: "POST", path: "/login/" + f.txn + "/login", cookie: f.cookie,
		body: "csrf=" + url.QueryEscape(f.csrf) + "&username=" + url.QueryEscape(name) + "&password=" + url.QueryEscape(benchPassword),
	})
	return w.buf
}

// codeOf logs somebody in silently.
func (l *logins) codeOf(c *conn, s site, a application, p visitor) (string, error) {
	status, err := c.do(s.send(nil, ask{method: "GET", path: a.authorizePath("none"), cookie: p.cookie}), nil)
	if err != nil {
		return "", err
	}
	code := c.between("code=", "&")
	if status != 303 || code == "" {
		return "", fmt.Errorf("silent login: status %d, %.300q", status, c.kept)
	}
	return code, nil
}

// openForm brings a browser without a session to the page that asks for the
// password.
func (l *logins) openForm(c *conn, s site) (f form, err error) {
	status, err := c.do(s.send(nil, ask{method: "GET", path: l.app.authorizePath("")}), nil)
	if err != nil {
		return f, err
	}
	f.txn, f.cookie = c.between("/login/", "\r\n"), browserCookie+"="+c.between(browserCookie+"=", ";")
	if status != 303 || f.txn == "" {
		return f, fmt.Errorf("begin login: status %d, %.300q", status, c.kept)
	}
	var page bytes.Buffer
	if status, err = c.do(s.send(nil, ask{method: "GET", path: "/login/" + f.txn, cookie: f.cookie}), &page); err != nil {
		return f, err
	}
	_, rest, _ := strings.Cut(page.String(), `name="csrf" value="`)
	f.csrf, _, _ = strings.Cut(rest, `"`)
	if status != 200 || f.csrf == "" {
		return f, fmt.Errorf("open login page: status %d, no form in %.300q", status, page.String())
	}
	return f, nil
}

// logIn logs somebody in with the password.
func (l *logins) logIn(w *worker, name string) (visitor, error) {
	f, err := l.openForm(w.conn, w.site)
	if err != nil {
		return visitor{}, err
	}
	status, err := w.conn.do(w.submit(f, name), nil)
	if err != nil {
		return visitor{}, err
	}
	session := w.conn.between(sessionCookie+"=", ";")
	if status != 303 || session == "" {
		return visitor{}, fmt.Errorf("log in as %s: status %d, %.300q", name, status, w.conn.kept)
	}
	return visitor{name, f.cookie + "; " + sessionCookie + "=" + session}, nil
}

// tokensOf logs somebody in silently and takes the tokens.
func (l *logins) tokensOf(w *worker, a application, p visitor) (t tokens, err error) {
	code, err := l.codeOf(w.conn, w.site, a, p)
	if err != nil {
		return t, err
	}
	var body bytes.Buffer
	status, err := w.conn.do(w.form(tokenPath, a.basic, exchange(code)), &body)
	if err == nil && status != 200 {
		err = fmt.Errorf("status %d: %.300s", status, body.Bytes())
	}
	if err == nil {
		err = json.Unmarshal(body.Bytes(), &t)
	}
	if err != nil {
		return t, fmt.Errorf("exchange code: %w", err)
	}
	return t, nil
}

// tokensEach is how many tokens each person has in the rows that read them.
const tokensEach = 8

// prepare gives people passwords, logs them in and takes tokens.
func (l *logins) prepare(ctx context.Context) error {
	l.Say("giving %d people a password and logging them in", stormSize)
	var people stock[visitor]
	// As many at once as the server hashes, so that nobody is told to come back.
	err := people.fill(ctx, l.stage, cores(), stormSize, func(w *worker, i int) (visitor, error) {
		if err := l.setPassword(w, i); err != nil {
			return visitor{}, err
		}
		return l.logIn(w, l.data.person(i).name)
	})
	if err != nil {
		return err
	}
	l.people = people.items
	for _, t := range []struct {
		of   application
		into *[]tokens
	}{{l.app, &l.tokens}, {l.opaque, &l.opaques}} {
		var all stock[tokens]
		err := all.fill(ctx, l.stage, 0, tokensEach*len(l.people), func(w *worker, i int) (tokens, error) {
			return l.tokensOf(w, t.of, l.people[i%len(l.people)])
		})
		if err != nil {
			return err
		}
		*t.into = all.items
	}
	return l.publish(ctx)
}

// publish learns how long the public documents are, and tells the baseline the
// key to verify with.
func (l *logins) publish(ctx context.Context) error {
	l.documents = map[string]int{}
	for _, path := range []string{discoveryPath, jwksPath} {
		body, err := l.server.site.fetch(ctx, path)
		if err != nil {
			return err
		}
		l.documents[path] = len(body)
		if path != jwksPath {
			continue
		}
		key, err := signerOf(body, l.tokens[0].Access)
		if err != nil {
			return err
		}
		c, err := dial(ctx, l.baseline.site.address)
		if err != nil {
			return err
		}
		status, err := c.do(l.baseline.site.append(nil, "PUT", keyPath, string(key)), nil)
		if err = errors.Join(err, c.close()); err != nil || status != 204 {
			return fmt.Errorf("hand over the key: status %d (%w)", status, err)
		}
	}
	return nil
}

// signerOf finds the key of a token in a JWK set.
func signerOf(set []byte, token string) (json.RawMessage, error) {
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.DecodeString(head)
	var header, named struct {
		Kid string `json:"kid"`
	}
	var keys struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err = errors.Join(err, json.Unmarshal(text, &header), json.Unmarshal(set, &keys)); err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	for _, key := range keys.Keys {
		if json.Unmarshal(key, &named) == nil && named.Kid == header.Kid {
			return key, nil
		}
	}
	return nil, fmt.Errorf("there is no key %q", header.Kid)
}

// setPassword gives user i the password, as a provisioning client does.
func (l *logins) setPassword(w *worker, i int) error {
	request := w.request("PATCH", string(appendID([]byte(usersPath+"/"), i)),
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+
			`{"op":"replace","path":"password","value":"`+benchPassword+`"}]}`)
	var body bytes.Buffer
	status, err := w.conn.do(request, &body)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("status %d: %.300s", status, body.Bytes())
	}
	if err != nil {
		return fmt.Errorf("set a password: %w", err)
	}
	return nil
}

// stormSize is how many people log in at once, storms how often.
const (
	stormSize = 64
	storms    = 3
)

// storm has many people log in at once to a server that was just started, and
// reads what memory that took.
func (l *logins) storm(ctx context.Context) (err error) {
	if !l.wants(rowStorm) {
		return nil
	}
	l.Say("%d logins at once", stormSize)
	if l.server, err = l.serveLogins(ctx, false); err != nil {
		return err
	}
	for range storms {
		workers, err := l.workers(ctx, &target{at: onServer, conns: stormSize, good: hasSession})
		if err != nil {
			return err
		}
		forms := make([]form, len(workers))
		for i, w := range workers {
			var ferr error
			forms[i], ferr = l.openForm(w.conn, w.site)
			err = errors.Join(err, ferr)
		}
		var wg sync.WaitGroup
		for i, w := range workers {
			wg.Go(func() {
				// 503 is an answer too: there were too many for this machine.
				status, err := w.conn.do(w.submit(forms[i], l.people[i].name), nil)
				if err == nil && status != 303 && status != 503 {
					err = fmt.Errorf("status %d", status)
				}
				w.failed = err
			})
		}
		wg.Wait()
		for _, w := range workers {
			err = errors.Join(err, w.failed, w.conn.close())
		}
		if err != nil {
			return fmt.Errorf("log in at once: %w", err)
		}
	}
	l.burst, err = memoryOf(l.server.pid())
	return errors.Join(err, l.leave(ctx))
}
