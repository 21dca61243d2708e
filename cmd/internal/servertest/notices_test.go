package servertest_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// announced switches notices on.
func announced(c *config.Config) { c.SecondFactors.Notices = true }

// notices sends what waits and returns, sorted, "recipient: first line" of the
// mails after the first skip ones, of which there must be want.
func (w *world) notices(skip, want int) []string {
	w.t.Helper()
	if _, err := w.Directory().SendNotices(w.t.Context()); err != nil {
		w.t.Fatalf("send notices: %v", err)
	}
	var out []string
	for _, m := range w.mail.await(w.t, skip+want)[skip:] {
		line, _, _ := strings.Cut(m.text(), "\n")
		out = append(out, m.to+": "+line)
	}
	slices.Sort(out)
	return out
}

// await waits until n mails have arrived, whichever node sent them, and
// returns all there are.
func (g *mailGateway) await(t *testing.T, n int) []mail {
	t.Helper()
	late := time.AfterFunc(30*time.Second, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.arrive.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(30 * time.Second)
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.mails) < n && time.Now().Before(deadline) {
		g.arrive.Wait()
	}
	if len(g.mails) != n {
		t.Fatalf("%d mails, want %d", len(g.mails), n)
	}
	return slices.Clone(g.mails)
}

// validated gives the user a validated address, told of it, and returns the
// number of mails so far.
func (w *world) validated() int {
	w.t.Helper()
	s := w.startEmail(address)
	if r := w.put(s, s.code); r.Status != http.StatusOK {
		w.t.Fatalf("validate: %d %s", r.Status, r.Body)
	}
	n := w.mail.count()
	want := []string{address + ": An e-mail address was confirmed as a second factor of your account."}
	if diff := cmp.Diff(want, w.notices(n, 1)); diff != "" {
		w.t.Fatalf("notice of a new address (-want +got):\n%s", diff)
	}
	return n + 1
}

// second-factor.md 6.2: removal informs the user, with what, when and from
// where, and nothing that a thief of the mail could use.
func TestNoticeOfAuthenticatorApp(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		n := w.validated()
		r := w.must(http.StatusCreated, "POST", w.path("totp"), "")
		secret := str(t, r.Body, "sharedSecret")
		w.must(http.StatusOK, "PUT", w.path("totp"), with(t, r.Body, "verifyTotp", scan(t, str(t, r.Body, "otpAuthUri")).at(w.clock.Now())))
		w.clock.advance(time.Minute)
		w.enrol()
		w.must(http.StatusNoContent, "DELETE", w.path("totp"), "")
		w.must(http.StatusNoContent, "DELETE", w.path("totp"), "") // nothing left to remove
		want := []string{
			address + ": An authenticator app was added to your account.",
			address + ": The authenticator app of your account was removed.",
			address + ": The authenticator app of your account was replaced by another one.",
		}
		if diff := cmp.Diff(want, w.notices(n, 3)); diff != "" {
			t.Errorf("notices (-want +got):\n%s", diff)
		}
		code := regexp.MustCompile(`[0-9]{6}`)
		for _, m := range w.mail.await(t, n+3)[n:] {
			text := m.text()
			for _, part := range []string{"UTC", "127.0.0.1", "an administrator or an application", "Was it you"} {
				if !strings.Contains(strings.ReplaceAll(text, "\n", " "), part) {
					t.Errorf("no %q in %q", part, text)
				}
			}
			if strings.Contains(text, secret) || strings.Contains(text, "://") || code.MatchString(text) {
				t.Errorf("code, secret or link in %q", text)
			}
		}
	}, announced)
}

// second-factor.md 6.2: the replaced address is told, and the new one when it
// is proved; a provisioning client's PATCH is told to the replaced one alone.
func TestNoticeOfReplacedAddress(t *testing.T) {
	t.Parallel()
	const other, third = "veil@sainteanne.example", "third@sainteanne.example"
	eachWorld(t, func(t *testing.T, w *world) {
		n := w.validated()
		s := w.startEmail(other)
		n++
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Fatalf("replace: %d %s", r.Status, r.Body)
		}
		want := []string{
			address + ": The e-mail address that was a second factor of your account was replaced by another one.",
			other + ": An e-mail address was confirmed as a second factor of your account.",
		}
		if diff := cmp.Diff(want, w.notices(n, 2)); diff != "" {
			t.Errorf("replaced by validation (-want +got):\n%s", diff)
		}
		n += 2
		patch := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` +
			`{"op":"replace","path":"` + secondFactorURN(t, w) + `:secondFactorEmail","value":"` + third + `"},` +
			`{"op":"replace","path":"password","value":"` + nextOne + `"}]}`
		w.must(http.StatusOK, "PATCH", "/scim/v2/Users/"+w.user, patch)
		got := w.notices(n, 2)
		if !strings.HasPrefix(got[0], other+": The e-mail address that was") || got[1] != other+": The password of your account was reset." {
			t.Errorf("replaced by provisioning: %q", got)
		}
		// The present address was never proved: nobody is left to tell.
		w.must(http.StatusOK, http.MethodPut, w.path("password"), "")
		if got := w.notices(n+2, 0); got != nil {
			t.Errorf("without a validated address: %q", got)
		}
	}, announced)
}

// secondFactorURN is the schema in the user's record that has the address.
func secondFactorURN(t *testing.T, w *world) string {
	t.Helper()
	for name, v := range object(t, w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Body) {
		if o, ok := v.(map[string]any); ok && o["secondFactorEmail"] != nil {
			return name
		}
	}
	t.Fatal("no secondFactorEmail")
	return ""
}

// A gateway that is down does not stop the change; the notice comes when it is
// back, and only once with two nodes.
func TestNoticeWaitsForTheGateway(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		n := w.validated()
		addr := w.mail.addr
		w.mail.stop()
		w.must(http.StatusOK, http.MethodPut, w.path("password"), "")
		if got := w.notices(n, 0); got != nil {
			t.Fatalf("mail without a gateway: %q", got)
		}
		w.mail.listen(t, addr)
		if got := w.notices(n, 0); got != nil {
			t.Errorf("sent again without a pause: %q", got)
		}
		w.clock.advance(time.Minute)
		if got := w.notices(n, 1); got[0] != address+": The password of your account was reset." {
			t.Errorf("notice %q", got)
		}
	}, announced)
}

// After a day a notice is no news: it goes, with an audit event.
func TestNoticeIsDroppedAfterADay(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		n := w.validated()
		w.mail.stop()
		w.must(http.StatusOK, http.MethodPut, w.path("password"), "")
		w.clock.advance(25 * time.Hour)
		for range 2 {
			if got := w.notices(n, 0); got != nil {
				t.Fatalf("mail without a gateway: %q", got)
			}
		}
		events, err := w.Directory().History.Events(t.Context(), audit.Filter{Name: audit.NoticeDropped})
		if err != nil || len(events) != 1 || events[0].Target.ID != w.user || strings.Contains(string(events[0].Detail), address) {
			t.Errorf("events %+v, %v", events, err)
		}
	}, announced)
}

// Two nodes that look at the same time send each notice once.
func TestNoticeFromTwoNodes(t *testing.T) {
	t.Parallel()
	const changes = 12
	eachWorld(t, func(t *testing.T, w *world) {
		n := w.validated()
		other := w.second()
		for range changes {
			w.must(http.StatusOK, http.MethodPut, w.path("password"), "")
		}
		var senders sync.WaitGroup
		for _, node := range []*servertest.Server{w.Server, other, w.Server, other} {
			senders.Go(func() {
				if _, err := node.Directory().SendNotices(t.Context()); err != nil {
					t.Errorf("send notices: %v", err)
				}
			})
		}
		senders.Wait()
		w.mail.await(t, n+changes)
		// All claims are over: whatever was still there would go now.
		w.clock.advance(time.Hour)
		if got := w.notices(n, changes); len(got) != changes {
			t.Errorf("%d notices, want %d", len(got), changes)
		}
	}, announced)
}

// A change that is refused and rolled back announces nothing.
func TestNoNoticeOfRollback(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		n := w.validated()
		body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` +
			`{"op":"remove","path":"` + secondFactorURN(t, w) + `:secondFactorEmail"},{"op":"replace","path":"userName","value":"taken"}]}`
		w.newUser("taken")
		w.must(http.StatusConflict, "PATCH", "/scim/v2/Users/"+w.user, body)
		if got := w.notices(n, 0); got != nil {
			t.Errorf("refused: %q", got)
		}
	}, announced)
}

// second_factors.notices: false keeps silent.
func TestNoticesOff(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Fatalf("validate: %d %s", r.Status, r.Body)
		}
		if got := w.notices(w.mail.count(), 0); got != nil {
			t.Errorf("switched off: %q", got)
		}
	})
}
