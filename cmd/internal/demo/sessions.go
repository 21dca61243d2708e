package demo

import (
	"crypto/rand"
	"net/http"
	"slices"
	"sync"
	"time"
)

// cookie names the session of a browser. Cookies do not tell ports apart, so
// its name is not one of the server's.
const cookie = "sallyport_demo"

// Bounds of what is kept in memory.
const (
	maxSessions = 1000
	sessionLife = 12 * time.Hour
	// maxPending is how many logins one browser may have under way, in its tabs.
	maxPending = 10
)

// pending is a login under way.
type pending struct {
	State, Nonce, Verifier string
	// Wanted is the acr that was asked for; Transfer tells that money waits.
	Wanted   string
	Transfer bool
}

// session is what the application knows of a browser.
type session struct {
	pending []pending
	idToken string
	claims  map[string]any
	sent    int // transfers made
	used    time.Time
}

// sessions are kept in memory: they end with the program.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[string]*session{}}
}

// begin adds a login under way to a session, made when there is none, and
// returns the id of the session.
func (s *sessions) begin(id string, p pending) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[id]
	if !ok {
		s.makeRoom()
		id, one = rand.Text(), &session{}
		s.all[id] = one
	}
	one.used = s.now()
	one.pending = append(one.pending, p)
	if over := len(one.pending) - maxPending; over > 0 {
		one.pending = slices.Delete(one.pending, 0, over)
	}
	return id
}

// makeRoom forgets sessions that are over and, when there are still too many,
// the one used least lately.
func (s *sessions) makeRoom() {
	oldest := ""
	for id, one := range s.all {
		if s.now().Sub(one.used) > sessionLife {
			delete(s.all, id)
			continue
		}
		if oldest == "" || one.used.Before(s.all[oldest].used) {
			oldest = id
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, oldest)
	}
}

// take removes and returns the login under way with that state.
func (s *sessions) take(id, state string) (pending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[id]
	if !ok {
		return pending{}, false
	}
	at := slices.IndexFunc(one.pending, func(p pending) bool { return p.State == state && state != "" })
	if at < 0 {
		return pending{}, false
	}
	p := one.pending[at]
	one.pending = slices.Delete(one.pending, at, at+1)
	return p, true
}

// renew replaces a session by one that is logged in, under a new id. It returns
// that with the number of transfers made.
func (s *sessions) renew(id, idToken string, claims map[string]any, sent int) (renewed string, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[id]
	if !ok {
		one = &session{}
	}
	delete(s.all, id)
	one.idToken, one.claims, one.used = idToken, claims, s.now()
	one.sent += sent
	renewed = rand.Text()
	s.all[renewed] = one
	return renewed, one.sent
}

// get returns what is known of the browser: claims are nil unless it is logged
// in.
func (s *sessions) get(id string) (claims map[string]any, idToken string, sent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.all[id]
	if !ok {
		return nil, "", 0
	}
	return one.claims, one.idToken, one.sent
}

func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, id)
}

func sessionOf(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// setSession keeps the session in the browser. The application stands on a
// loopback address in the clear, so the cookie cannot be Secure.
func setSession(w http.ResponseWriter, id string) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // see above
		Name: cookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
