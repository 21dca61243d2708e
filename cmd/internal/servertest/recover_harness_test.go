package servertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// letter is a message of recovery in the development inbox.
type letter struct {
	Subject string `json:"subject"`
	Text    string `json:"text"`
	Code    string `json:"code"`
}

var linkPattern = regexp.MustCompile(`https?://\S+/continue/link/\S+`)

// link is the address in the letter.
func (l letter) link(t *testing.T) string {
	t.Helper()
	found := linkPattern.FindAllString(l.Text, -1)
	if len(found) != 1 {
		t.Fatalf("%d links in %q", len(found), l.Text)
	}
	return found[0]
}

// letters are the messages to a destination, the newest first.
func (w town) letters(t *testing.T, to string) []letter {
	t.Helper()
	r := w.Do(t, http.MethodGet, "/dev/inbox.json", "", "")
	var inbox struct {
		Recipients []struct {
			To       string   `json:"to"`
			Messages []letter `json:"messages"`
		} `json:"recipients"`
	}
	if err := json.Unmarshal([]byte(r.Body), &inbox); err != nil || r.Status != http.StatusOK {
		t.Fatalf("/dev/inbox.json: %d %s: %v", r.Status, r.Body, err)
	}
	for _, one := range inbox.Recipients {
		if strings.EqualFold(one.To, to) {
			return one.Messages
		}
	}
	return nil
}

// until works off what waits until done says so, whichever node does it.
func (w town) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if _, err := w.Directory().SendAccountMessages(t.Context()); err != nil {
			t.Fatalf("send account messages: %v", err)
		}
		if done() {
			return
		}
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// letter waits for message n to a destination and returns it.
func (w town) letter(t *testing.T, to string, n int) letter {
	t.Helper()
	var all []letter
	w.until(t, fmt.Sprintf("message %d to %s", n, to), func() bool {
		all = w.letters(t, to)
		return len(all) >= n
	})
	if len(all) != n {
		t.Fatalf("%d messages to %s, want %d", len(all), to, n)
	}
	return all[0]
}

// unsent waits until message n of those that nobody gets is given up, and
// returns why.
func (w town) unsent(t *testing.T, n int) string {
	t.Helper()
	var all []audit.Event
	w.until(t, fmt.Sprintf("refusal %d", n), func() bool {
		all = w.events(t, audit.RecoveryRefused)
		return len(all) >= n
	})
	return all[n-1].Reason
}

// beganFlow begins a recovery and returns the page that waits for the code.
func beganFlow(b *servertest.Browser, path, login string) servertest.Page {
	action := path[strings.LastIndexByte(path, '/')+1:]
	return b.Submit(b.Open(path), action, "login", login)
}

// withMail gives a person an address in the record that nobody has proved.
func withMail(address string) string {
	return fmt.Sprintf(`"emails":[{"value":%q,"type":"work","primary":true}]`, address)
}

// logsIn reports whether the password logs the person in to the application, up
// to the second factor.
func (w town) logsIn(t *testing.T, app *servertest.Application, who servertest.Person) bool {
	t.Helper()
	b := w.Browser(t)
	p := b.Submit(b.Open(app.AuthURL()), "login", "username", who.UserName, "password", who.Password)
	return p.Status < http.StatusBadRequest && p.Kind() != servertest.KindLogin
}

// sessionless fails the test if the browser holds a session.
func sessionless(t *testing.T, b *servertest.Browser) {
	t.Helper()
	for _, c := range b.Cookies() {
		if strings.HasSuffix(c.Name, "sp_session") && c.Value != "" {
			t.Errorf("recovery has given the browser a session")
		}
	}
}

// validateNumber validates a number through SCIM and the development inbox.
func (w town) validateNumber(t *testing.T, who servertest.Person, number string) {
	t.Helper()
	token := w.Token(t, "compat")
	r := w.Do(t, http.MethodPost, "/scim/v2/Users/"+who.ID+"/validatedPhoneNumbers", token, fmt.Sprintf(
		`{"schemas":["urn:pingidentity:scim:api:messages:2.0:TelephonyValidationRequest"],"attributePath":"secondFactorPhoneNumber","attributeValue":%q}`, number))
	var record map[string]any
	if err := json.Unmarshal([]byte(r.Body), &record); err != nil || r.Status != http.StatusCreated {
		t.Fatalf("validate number: %d %s", r.Status, r.Body)
	}
	record["verifyCode"] = w.letters(t, number)[0].Code
	body, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	location := strings.TrimPrefix(r.Header.Get("Location"), w.URL())
	if r = w.Do(t, http.MethodPut, location, token, string(body)); r.Status != http.StatusOK {
		t.Fatalf("validate number: %d %s", r.Status, r.Body)
	}
}
