package validation

import (
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/scim"
)

// security.md section 6: a saved recovery code lets its user set up another
// factor for as long as a second factor is recent, and nobody change the record
// of another.
func TestRecoveryCodeStepsUpForTheOwnRecord(t *testing.T) {
	t.Parallel()
	w := newStepUpWorld(t)
	w.held.has = Holdings{App: &HeldApp{ID: "a"}}
	user := stepUpUser("", true)
	own := scim.Caller{UserID: "u", SessionID: "s"}
	for _, c := range []struct {
		name  string
		ago   time.Duration // since the code; 0: none was shown
		about string
		ok    bool
	}{
		{"no code", 0, "u", false},
		{"just now", time.Second, "u", true},
		{"at the limit", DefaultStepUpAge, "u", true},
		{"too old", DefaultStepUpAge + time.Second, "u", false},
		{"another's record", time.Second, "other", false},
	} {
		w.sessions.session.LoginAt, w.sessions.session.RecoveredAt = w.now, time.Time{}
		if c.ago > 0 {
			w.sessions.session.RecoveredAt = w.now.Add(-c.ago)
		}
		err := w.Check(t.Context(), own, c.about, user)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v, want allowed = %v", c.name, err, c.ok)
		}
	}
}
