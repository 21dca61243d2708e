package session_test

import (
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/session"
)

// A session without owner, life or proof must never be stored.
func TestCheck(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	good := session.Session{
		ID: "s", UserID: "u", CreatedAt: now, ExpiresAt: now.Add(time.Hour),
		Proofs: []session.Proof{{Proof: acr.Proof{ID: "p", Session: "s", User: "u", Factor: acr.Command, At: now}}},
	}
	if err := good.Check(); err != nil {
		t.Fatalf("Check() = %v, want nil", err)
	}
	for name, spoil := range map[string]func(*session.Session){
		"no id":        func(s *session.Session) { s.ID = "" },
		"no user":      func(s *session.Session) { s.UserID = "" },
		"no beginning": func(s *session.Session) { s.CreatedAt = time.Time{} },
		"no life":      func(s *session.Session) { s.ExpiresAt = s.CreatedAt },
		"ends before":  func(s *session.Session) { s.ExpiresAt = s.CreatedAt.Add(-time.Second) },
		"no proof":     func(s *session.Session) { s.Proofs = nil },
	} {
		bad := good
		spoil(&bad)
		if bad.Check() == nil {
			t.Errorf("%s: Check() = nil, want an error", name)
		}
	}
}
