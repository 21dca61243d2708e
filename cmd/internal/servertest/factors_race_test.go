package servertest_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// tally counts answers by status and detail.
type tally map[string]int

// together sends n requests at once, alternately to both nodes.
func together(t *testing.T, nodes []*servertest.Server, n int, send func(i int, node *servertest.Server) servertest.Reply) tally {
	t.Helper()
	replies := make([]servertest.Reply, n)
	var wait sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wait.Go(func() {
			<-gate
			replies[i] = send(i, nodes[i%len(nodes)])
		})
	}
	close(gate)
	wait.Wait()
	out := tally{}
	for _, r := range replies {
		key := http.StatusText(r.Status)
		if r.Status != http.StatusOK && r.Status != http.StatusCreated {
			key += ": " + str(t, r.Body, "detail")
		}
		out[key]++
	}
	return out
}

const (
	answerOK    = "OK"
	answerWrong = "Bad Request: The verification code is incorrect."
	answerUsed  = "Bad Request: The verification code was already used. Start again."
	answerDead  = "Too Many Requests: Too many attempts. Request a new code later."
	answerNewer = "Bad Request: A newer verification code was requested. Use that one."
	answerMany  = "Too Many Requests: Too many codes were requested. Try again later."
)

// TestParallelGuesses200 is case 8, parallel_guesses_200.
func TestParallelGuesses200(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		nodes := []*servertest.Server{w.Server, w.second()}
		s := w.startEmail(address)
		got := together(t, nodes, 200, func(_ int, node *servertest.Server) servertest.Reply {
			return node.Do(t, "PUT", s.path, w.admin, `{"verifyCode":"`+wrong(s.code)+`"}`)
		})
		if got[answerWrong] != 5 || got[answerDead] != 195 {
			t.Errorf("200 wrong guesses: %v, want 5 compared and 195 refused", got)
		}
		refused(t, w.put(s, s.code), 429, "", "Too many attempts. Request a new code later.")

		w.clock.advance(time.Hour)
		s = w.startEmail(address)
		got = together(t, nodes, 200, func(_ int, node *servertest.Server) servertest.Reply {
			return node.Do(t, "PUT", s.path, w.admin, `{"verifyCode":"`+s.code+`"}`)
		})
		if got[answerOK] != 1 || got[answerOK]+got[answerUsed]+got[answerDead] != 200 {
			t.Errorf("200 right codes: %v, want exactly one success", got)
		}
		row, err := w.Directory().Challenges().Challenge(t.Context(), w.lastJTI())
		if err != nil || row.Attempts > 5 || row.UsedAt.IsZero() {
			t.Errorf("row %+v, %v: want at most 5 tries and a use", row, err)
		}
	})
}

// TestParallelGuessesMixed: the right code among guesses, whichever comes
// first.
func TestParallelGuessesMixed(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		nodes := []*servertest.Server{w.Server, w.second()}
		s := w.startEmail(address)
		got := together(t, nodes, 200, func(i int, node *servertest.Server) servertest.Reply {
			code := wrong(s.code)
			if i%10 == 3 {
				code = s.code
			}
			return node.Do(t, "PUT", s.path, w.admin, `{"verifyCode":"`+code+`"}`)
		})
		if got[answerOK] > 1 || got[answerWrong] > 5-got[answerOK] || got[answerOK]+got[answerWrong]+got[answerUsed]+got[answerDead] != 200 {
			t.Errorf("mixed guesses: %v", got)
		}
	})
}

// TestParallelCorrectTwo is case 9, parallel_correct_two.
func TestParallelCorrectTwo(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		nodes := []*servertest.Server{w.Server, w.second()}
		s := w.startEmail(address)
		got := together(t, nodes, 2, func(_ int, node *servertest.Server) servertest.Reply {
			return node.Do(t, "PUT", s.path, w.admin, `{"verifyCode":"`+s.code+`"}`)
		})
		if got[answerOK] != 1 || got[answerUsed] != 1 {
			t.Errorf("two right codes: %v", got)
		}
		if n := len(w.events(audit.AddressValidated)); n != 1 {
			t.Errorf("%d success events, want 1", n)
		}
		if got := w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Header.Get("Etag"); got != `W/"2"` {
			t.Errorf("version %s, want 2", got)
		}
	})
}

// TestParallelStarts is case 16, the parallel half: parallel POSTs leave one
// live row. A series takes one send at once, so each has its own destination.
func TestParallelStarts(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		nodes := []*servertest.Server{w.Server, w.second()}
		var mu sync.Mutex
		var all []string
		got := together(t, nodes, 10, func(i int, node *servertest.Server) servertest.Reply {
			r := node.Do(t, "POST", w.path("validatedEmailAddresses"), w.admin, emailBody(string(rune('a'+i))+"@example.com"))
			mu.Lock()
			defer mu.Unlock()
			if r.Status == http.StatusCreated {
				all = append(all, str(t, r.Body, "id"))
			}
			return r
		})
		if got["Created"] != 10 {
			t.Fatalf("starts: %v", got)
		}
		live := 0
		for _, state := range all {
			if r := w.do("GET", w.path("validatedEmailAddresses/"+state), ""); r.Status == http.StatusOK {
				live++
			}
		}
		if live != 1 {
			t.Errorf("%d live states, want 1", live)
		}
		// One destination: the second of parallel sends waits its 30 seconds.
		w.clock.advance(25 * time.Hour)
		got = together(t, nodes, 20, func(_ int, node *servertest.Server) servertest.Reply {
			return node.Do(t, "POST", w.path("validatedEmailAddresses"), w.admin, emailBody(address))
		})
		if got["Created"] != 1 || got[answerMany] != 19 {
			t.Errorf("parallel sends to one address: %v", got)
		}
	})
}

// TestParallelTOTP: one code registers one secret once, on two nodes.
func TestParallelTOTP(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		nodes := []*servertest.Server{w.Server, w.second()}
		r := w.must(http.StatusCreated, "POST", w.path("totp"), "")
		body := with(t, r.Body, "verifyTotp", scan(t, str(t, r.Body, "otpAuthUri")).at(w.clock.Now()))
		got := together(t, nodes, 50, func(_ int, node *servertest.Server) servertest.Reply {
			return node.Do(t, "PUT", w.path("totp"), w.admin, body)
		})
		if got[answerOK] != 1 || got[answerOK]+got[answerUsed]+got[answerDead] != 50 {
			t.Errorf("one code 50 times: %v", got)
		}
	})
}

// TestStartsAgainstProofs: new codes, proofs and changes of the attribute at
// once, on two nodes. Whatever comes first, nothing hangs, nothing is an
// internal error, and a value is validated only if it is the value.
func TestStartsAgainstProofs(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		nodes := []*servertest.Server{w.Server, w.second()}
		for round := range 4 {
			w.clock.advance(25 * time.Hour)
			s := w.startEmail(address)
			w.clock.advance(30 * time.Second)
			got := together(t, nodes, 24, func(i int, node *servertest.Server) servertest.Reply {
				switch i % 4 {
				case 0:
					return node.Do(t, "POST", w.path("validatedEmailAddresses"), w.admin, emailBody(address))
				case 1:
					return node.Do(t, "PATCH", "/scim/v2/Users/"+w.user, w.admin,
						`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"secondFactorEmail","value":"x`+string(rune('a'+round))+`@example.com"}]}`)
				default:
					return node.Do(t, "PUT", s.path, w.admin, `{"verifyCode":"`+s.code+`"}`)
				}
			})
			for answer, n := range got {
				if strings.HasPrefix(answer, "Internal") || strings.HasPrefix(answer, "Service") {
					t.Errorf("%d times %s", n, answer)
				}
			}
			item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body)
			if item["validated"] == true && item["attributeValue"] != address {
				t.Errorf("validated: %v", item)
			}
		}
	})
}
