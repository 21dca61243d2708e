package bench

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Names of the targets.
const (
	tGrantInsert, tRedeem             = "one durable insert of a grant", "signatures + durable consume"
	tLookup, tVerify, tPerson         = "look-up by hand", "signature + look-up by hand", "look-up of the user by hand"
	tStaticDiscovery, tStaticJWKS     = "static bytes", "static bytes of the keys"
	tArgon                            = "argon2id alone"
	tAuthorize, tToken                = "authorize", "token"
	tIntrospect, tIntrospectJWT       = "introspect", "introspect-jwt"
	tUserInfo, tUserInfoJWT           = "userinfo", "userinfo-jwt"
	tDiscovery, tJWKS, tLoginPassword = "discovery", "jwks", "login"
)

// rowStorm is the key of the row about memory.
const rowStorm = "login-memory"

// tails are the keys of the rows about latencies at half of the greatest load,
// by the target that they load.
func tails() map[string]string {
	return map[string]string{tAuthorize: "authorize-half-load", tIntrospect: "introspect-half-load"}
}

// loginRows are the goals that are ratios.
func loginRows() []row {
	return []row{
		{tAuthorize, "authorize with a session: silent, code written", tAuthorize, tGrantInsert, 0.5},
		{tToken, "code for tokens, ES256", tToken, tRedeem, 0.7},
		{tIntrospect, "introspection of an opaque token", tIntrospect, tLookup, 0.7},
		{tIntrospectJWT, "introspection of a signed token", tIntrospectJWT, tVerify, 0.7},
		{tUserInfo, "userinfo", tUserInfo, tPerson, 0.7},
		{tUserInfoJWT, "userinfo with a signed token", tUserInfoJWT, tPerson, 0},
		{tDiscovery, "discovery", tDiscovery, tStaticDiscovery, 0.9},
		{tJWKS, "JWKS", tJWKS, tStaticJWKS, 0.9},
		{tLoginPassword, "login with a password", tLoginPassword, tArgon, 0.95},
	}
}

// Sizes of answers, in bytes.
const (
	leastTokens  = 400
	leastActive  = 150
	leastPerson  = 150
	argonClients = 8 // connections of the rows about passwords: cores queue them
)

// targets are the kinds of requests that the wanted rows need.
func (l *logins) targets() []*target {
	needed := map[string]bool{}
	for _, r := range loginRows() {
		if l.wants(r.key) || l.wants(tails()[r.target]) {
			needed[r.target], needed[r.baseline] = true, true
		}
	}
	var out []*target
	for _, t := range l.allTargets() {
		if needed[t.name] {
			out = append(out, t)
		}
	}
	return out
}

func (l *logins) allTargets() []*target {
	return []*target{
		{name: tGrantInsert, at: onBaseline, status: 303, durable: true, good: hasCode, next: postTo(grantPath, nothing)},
		{name: tAuthorize, at: onServer, status: 303, durable: true, good: hasCode, next: l.authorize},
		{
			name: tRedeem, at: onBaseline, status: 200, least: leastTokens, durable: true, before: l.storeCodes,
			next: func(_ *stage, w *worker) []byte {
				return taking(&l.stored, w, func(code string) []byte { return w.form(redeemPath, basic{}, "code="+code) })
			},
		},
		{
			name: tToken, at: onServer, status: 200, least: leastTokens, durable: true, before: l.collectCodes,
			next: func(_ *stage, w *worker) []byte {
				return taking(&l.codes, w, func(code string) []byte { return w.form(tokenPath, l.app.basic, exchange(code)) })
			},
		},
		{name: tLookup, at: onBaseline, status: 200, least: leastActive, next: l.asking(lookupPath, &l.opaques)},
		{name: tIntrospect, at: onServer, status: 200, least: leastActive, next: l.asking(introspectPath, &l.opaques)},
		{name: tVerify, at: onBaseline, status: 200, least: leastActive, next: l.asking(verifyPath, &l.tokens)},
		{name: tIntrospectJWT, at: onServer, status: 200, least: leastActive, next: l.asking(introspectPath, &l.tokens)},
		{name: tPerson, at: onBaseline, status: 200, least: leastPerson, next: l.presenting(personPath, &l.opaques)},
		{name: tUserInfo, at: onServer, status: 200, least: leastPerson, next: l.presenting(userInfoPath, &l.opaques)},
		{name: tUserInfoJWT, at: onServer, status: 200, least: leastPerson, next: l.presenting(userInfoPath, &l.tokens)},
		{name: tStaticDiscovery, at: onBaseline, status: 200, next: l.static(discoveryPath)},
		{name: tDiscovery, at: onServer, status: 200, least: 1000, next: getOf(discoveryPath)},
		{name: tStaticJWKS, at: onBaseline, status: 200, next: l.static(jwksPath)},
		{name: tJWKS, at: onServer, status: 200, least: 300, next: getOf(jwksPath)},
		{name: tArgon, at: onBaseline, conns: argonClients, status: 303, next: postTo(argonPath, func(*worker) string { return benchPassword })},
		{
			name: tLoginPassword, at: onServer, conns: argonClients, status: 303, good: hasSession, before: l.openForms,
			next: func(_ *stage, w *worker) []byte {
				return taking(&l.forms, w, func(f form) []byte { return w.submit(f, l.people[w.index].name) })
			},
		},
	}
}

func hasCode(c *conn) error {
	if c.between("code=", "&") == "" && c.between("code=", "\r\n") == "" {
		return fmt.Errorf("no code in %.300q", c.kept)
	}
	return nil
}

func hasSession(c *conn) error {
	if c.between(sessionCookie+"=", ";") == "" {
		return fmt.Errorf("no session in %.300q", c.kept)
	}
	return nil
}

func nothing(*worker) string { return "" }

func postTo(path string, body func(*worker) string) func(*stage, *worker) []byte {
	return func(_ *stage, w *worker) []byte { return w.form(path, basic{}, body(w)) }
}

func getOf(path string) func(*stage, *worker) []byte {
	return func(_ *stage, w *worker) []byte { return w.plain(path, "") }
}

// static asks for as many bytes as the document has.
func (l *logins) static(path string) func(*stage, *worker) []byte {
	return func(_ *stage, w *worker) []byte { return w.plain(staticPath+strconv.Itoa(l.documents[path]), "") }
}

// authorize sends somebody with a session to log in to the application.
func (l *logins) authorize(_ *stage, w *worker) []byte {
	return w.plain(l.app.authorizePath("none"), l.people[w.index].cookie)
}

// asking introspects one of the tokens; the bare handlers read no credential.
func (l *logins) asking(path string, of *[]tokens) func(*stage, *worker) []byte {
	return func(_ *stage, w *worker) []byte {
		return w.form(path, l.service, "token="+(*of)[w.rng.IntN(len(*of))].Access)
	}
}

// presenting asks for the claims about who one of the tokens is of.
func (l *logins) presenting(path string, of *[]tokens) func(*stage, *worker) []byte {
	return func(_ *stage, w *worker) []byte {
		return w.bearer(path, (*of)[w.rng.IntN(len(*of))].Access)
	}
}

// Guesses of how many of each a second of a slice takes, before one has told
// better.
const (
	firstCodes = 2000
	firstForms = 150
)

// collectCodes logs people in silently, for the codes.
func (l *logins) collectCodes(ctx context.Context, length time.Duration) error {
	want := l.codes.want(l.samples[tToken], firstCodes, length)
	return l.codes.fill(ctx, l.stage, 0, want, func(w *worker, i int) (string, error) {
		return l.codeOf(w.conn, w.site, l.app, l.people[i%len(l.people)])
	})
}

// storeCodes makes codes for the bare handler, in one transaction.
func (l *logins) storeCodes(ctx context.Context, length time.Duration) error {
	want := l.stored.want(l.samples[tRedeem], firstCodes, length)
	from := l.made
	l.made += want
	c, err := dial(ctx, l.baseline.site.address)
	if err != nil {
		return err
	}
	defer func() { _ = c.close() }()
	path := stockPath + strconv.Itoa(from) + "/" + strconv.Itoa(l.made)
	status, err := c.do(l.baseline.site.send(nil, ask{method: "POST", path: path}), nil)
	if err != nil || status != 204 {
		return fmt.Errorf("store codes: status %d (%w)", status, err)
	}
	l.stored.items = make([]string, want)
	for i := range l.stored.items {
		l.stored.items[i] = stockOfCodes + strconv.Itoa(from+i)
	}
	l.stored.next.Store(0)
	return nil
}

// openForms brings browsers without a session to the page that asks for the
// password.
func (l *logins) openForms(ctx context.Context, length time.Duration) error {
	want := l.forms.want(l.samples[tLoginPassword], firstForms, length)
	return l.forms.fill(ctx, l.stage, 0, want, func(w *worker, _ int) (form, error) {
		return l.openForm(w.conn, w.site)
	})
}

// exchange is the form of a token request for a code.
func exchange(code string) string {
	return "grant_type=authorization_code&code=" + code + "&redirect_uri=" + url.QueryEscape(benchRedirect) + "&code_verifier=" + benchVerifier
}
