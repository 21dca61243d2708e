package bench

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/crypto/argon2"

	"github.com/sallyport-id/sallyport/storage/baseline"
)

// Paths of the bare handlers about logins.
const (
	grantPath    = "/grant"
	redeemPath   = "/redeem"
	lookupPath   = "/lookup"
	verifyPath   = "/verify"
	personPath   = "/person"
	staticPath   = "/static/"
	argonPath    = "/argon2id"
	stockPath    = "/grants/" // makes codes to redeem
	keyPath      = "/key"     // takes the key to verify with
	stockOfCodes = "baseline-code-"
)

// providerHandlers are the bare handlers about logins. Each is what nothing
// that does the same job over HTTP can leave out.
type providerHandlers struct {
	rows  *baseline.Provider
	key   *ecdsa.PrivateKey
	known atomic.Pointer[ecdsa.PublicKey] // of the server
	slots chan struct{}
	page  []byte
}

// largestStatic is the longest answer of static.
const largestStatic = 64 << 10

// serveProvider adds the handlers to mux.
func serveProvider(ctx context.Context, db *baseline.DB, mux *http.ServeMux) error {
	rows, err := db.Provider(ctx)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	h := &providerHandlers{rows: rows, key: key, slots: make(chan struct{}, cores()), page: make([]byte, largestStatic)}
	for i := range h.page {
		h.page[i] = 'a'
	}
	mux.HandleFunc("POST "+grantPath, h.grant)
	mux.HandleFunc("POST "+stockPath+"{from}/{to}", h.stock)
	mux.HandleFunc("POST "+redeemPath, h.redeem)
	mux.HandleFunc("PUT "+keyPath, h.learn)
	mux.HandleFunc("POST "+lookupPath, h.lookup)
	mux.HandleFunc("POST "+verifyPath, h.verify)
	mux.HandleFunc("GET "+personPath, h.person)
	mux.HandleFunc("GET "+staticPath+"{size}", h.static)
	mux.HandleFunc("POST "+argonPath, h.argon)
	return nil
}

// grantRow is a grant such as the server writes for a login with a password.
func grantRow(code string, now time.Time) baseline.Grant {
	hash := sha256.Sum256([]byte(code))
	return baseline.Grant{
		// As ids are in the server: they grow with time.
		ID: uuid.Must(uuid.NewV7()).String(), User: string(appendID(nil, 0)), CodeHash: hash[:], Created: now.UnixMicro(), Expires: now.Add(time.Hour).UnixMicro(),
		Doc: `{"sid":"` + rand.Text() + `","scopes":["openid","profile","email"],"acr":"1FA","amr":["pwd"],"auth_time":` +
			strconv.FormatInt(now.UnixMicro(), 10) + `,"nonce":"` + benchNonce + `","redirect_uri":"` + benchRedirect + `"}`,
	}
}

// grant is the limit of a silent login by a server that commits for each
// request: the code must be known after a crash of this node and to the other
// nodes, which takes one durable row.
func (h *providerHandlers) grant(w http.ResponseWriter, r *http.Request) {
	code := rand.Text()
	if err := h.rows.Insert(r.Context(), grantRow(code, time.Now())); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Location"] = []string{benchRedirect + "?code=" + code}
	w.WriteHeader(http.StatusSeeOther)
}

// stock makes the codes with numbers [from, to) for redeem.
func (h *providerHandlers) stock(w http.ResponseWriter, r *http.Request) {
	from, err1 := strconv.Atoi(r.PathValue("from"))
	to, err2 := strconv.Atoi(r.PathValue("to"))
	err := errors.Join(err1, err2)
	var grants []baseline.Grant
	for i := from; err == nil && i < to; i++ {
		grants = append(grants, grantRow(stockOfCodes+strconv.Itoa(i), time.Now()))
	}
	if err == nil {
		err = h.rows.InsertAll(r.Context(), grants)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// redeem is the limit of a code for tokens: the grant must be read, the use of
// the code be on the disk before anything leaves, and two tokens be signed.
func (h *providerHandlers) redeem(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	hash := sha256.Sum256([]byte(r.PostFormValue("code")))
	g, err := h.rows.Redeem(r.Context(), hash[:], now.UnixMicro())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	claims := `{"iss":"https://id.example.com","aud":"bench","sub":"` + g.User + `","iat":` + strconv.FormatInt(now.Unix(), 10) +
		`,"exp":` + strconv.FormatInt(now.Unix()+300, 10) + `,"grant":` + g.Doc + `}`
	access, err1 := h.sign(`{"alg":"ES256","kid":"baseline","typ":"at+jwt"}`, claims)
	id, err2 := h.sign(`{"alg":"ES256","kid":"baseline","typ":"JWT"}`, claims)
	if err := errors.Join(err1, err2); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, `{"access_token":"`+access+`","token_type":"Bearer","expires_in":300,"id_token":"`+id+`"}`)
}

// sign makes a JWS (RFC 7515 section 7.1) with ES256 (RFC 7518 section 3.4).
func (h *providerHandlers) sign(header, claims string) (string, error) {
	text := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, h.key, sum[:])
	if err != nil {
		return "", err
	}
	var raw [64]byte
	r.FillBytes(raw[:32])
	s.FillBytes(raw[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// learn takes the key that the server signs access tokens with, a JWK.
func (h *providerHandlers) learn(w http.ResponseWriter, r *http.Request) {
	var jwk struct {
		X string `json:"x"`
		Y string `json:"y"`
	}
	err := json.NewDecoder(r.Body).Decode(&jwk)
	x, err1 := base64.RawURLEncoding.DecodeString(jwk.X)
	y, err2 := base64.RawURLEncoding.DecodeString(jwk.Y)
	if err = errors.Join(err, err1, err2); err == nil {
		var key *ecdsa.PublicKey
		if key, err = ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...)); err == nil {
			h.known.Store(key)
		}
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// lookup is the limit of an introspection: a revoked grant, a session that has
// ended, a client and a user that are gone must show at once, which takes one
// statement.
func (h *providerHandlers) lookup(w http.ResponseWriter, r *http.Request) {
	hash := sha256.Sum256([]byte(r.PostFormValue("token")))
	g, err := h.rows.ByToken(hash[:], time.Now().UnixMicro())
	h.describe(w, g, err)
}

// verify is the limit of the introspection of a signed token: its signature,
// and the same statement.
func (h *providerHandlers) verify(w http.ResponseWriter, r *http.Request) {
	grantID, err := h.grantOf(r.PostFormValue("token"))
	var g baseline.Grant
	if err == nil {
		g, err = h.rows.ByID(grantID, time.Now().UnixMicro())
	}
	h.describe(w, g, err)
}

func (h *providerHandlers) grantOf(token string) (string, error) {
	end := strings.LastIndexByte(token, '.')
	begin := strings.IndexByte(token, '.')
	key := h.known.Load()
	if begin < 0 || begin == end || key == nil {
		return "", errors.New("not a token, or no key")
	}
	raw, err := base64.RawURLEncoding.DecodeString(token[end+1:])
	if err != nil || len(raw) != 64 {
		return "", errors.New("not a signature")
	}
	sum := sha256.Sum256([]byte(token[:end]))
	if !ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:])) {
		return "", errors.New("wrong signature")
	}
	payload, err := base64.RawURLEncoding.DecodeString(token[begin+1 : end])
	if err != nil {
		return "", err
	}
	var claims struct {
		ID string `json:"jti"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return "", err
	}
	id, _, _ := strings.Cut(claims.ID, ".")
	return id, nil
}

func (h *providerHandlers) describe(w http.ResponseWriter, g baseline.Grant, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, `{"active":true,"client_id":"`+g.Client+`","sub":"`+g.User+`","exp":`+strconv.FormatInt(g.Expires/1e6, 10)+
		`,"grant":`+g.Doc+`}`)
}

// person is the limit of userinfo: one statement as for introspection that
// brings the stored user along, of which a few values are copied.
func (h *providerHandlers) person(w http.ResponseWriter, r *http.Request) {
	hash := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
	doc, err := h.rows.Person(hash[:], time.Now().UnixMicro())
	var u struct {
		ID       string `json:"id"`
		UserName string `json:"userName"`
		Name     struct {
			Formatted string `json:"formatted"`
			Family    string `json:"familyName"`
			Given     string `json:"givenName"`
		} `json:"name"`
		NickName string `json:"nickName"`
		Profile  string `json:"profileUrl"`
		Locale   string `json:"locale"`
		Zone     string `json:"timezone"`
		Emails   []struct {
			Value string `json:"value"`
		} `json:"emails"`
	}
	if err == nil {
		err = json.Unmarshal(doc, &u)
	}
	if err != nil || len(u.Emails) == 0 {
		http.Error(w, "no user for this token", http.StatusUnauthorized)
		return
	}
	body, err := json.Marshal(map[string]any{
		"sub": u.ID, "preferred_username": u.UserName, "name": u.Name.Formatted, "family_name": u.Name.Family,
		"given_name": u.Name.Given, "nickname": u.NickName, "profile": u.Profile, "locale": u.Locale, "zoneinfo": u.Zone,
		"email": u.Emails[0].Value, "email_verified": false,
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer(w, string(body))
}

// static is the limit of a public document: bytes that are there already, as
// many as the document has.
func (h *providerHandlers) static(w http.ResponseWriter, r *http.Request) {
	size, err := strconv.Atoi(r.PathValue("size"))
	if err != nil || size < 0 || size > len(h.page) {
		http.Error(w, "no such size", http.StatusBadRequest)
		return
	}
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(h.page[:size])
}

// argon is the limit of a login with a password: the hash, as many at once as
// there are cores.
func (h *providerHandlers) argon(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h.slots <- struct{}{}
	tag := argon2.IDKey(body, h.page[:16], argonTime, argonMemory, 1, 32)
	<-h.slots
	w.Header()["Location"] = []string{"/" + base64.RawURLEncoding.EncodeToString(tag)}
	w.WriteHeader(http.StatusSeeOther)
}

// Parameters of argon2id that the server has unless it is configured.
const (
	argonTime   = 2
	argonMemory = 19456 // KiB
)

func answer(w http.ResponseWriter, body string) {
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = io.WriteString(w, body)
}
