package bench

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// The sink speaks enough of RFC 5321 for a whole conversation, and keeps the
// code of a mail that asks for it.
func TestSinkTakesMails(t *testing.T) {
	t.Parallel()
	k, err := newSink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", k.address())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	for _, step := range []struct{ say, want string }{
		{"", "220"},
		{"EHLO bench\r\n", "250-"},
		{"", "250 "},
		{"MAIL FROM:<bench@example.com>\r\n", "250"},
		{"RCPT TO:<ann@example.org>\r\n", "250"},
		{"DATA\r\n", "354"},
		{"Subject: Bench 12345678\r\n\r\nSubject: Bench 1\r\n.\r\n", "250"},
		{"rset\r\n", "250"},
		{"RCPT TO:<bob@example.org>\r\n", "250"},
		{"DATA\r\n", "354"},
		{"Subject: Your code\r\n\r\n..\r\n.\r\n", "250"},
		{"TURN\r\n", "502"},
		{"QUIT\r\n", "221"},
	} {
		if _, err := c.Write([]byte(step.say)); err != nil {
			t.Fatal(err)
		}
		line, err := r.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, step.want) {
			t.Fatalf("%q: %q, %v, want %s", step.say, line, err, step.want)
		}
	}
	if got := k.take("ann@example.org"); got != "12345678" {
		t.Errorf("code %q", got)
	}
	for _, address := range []string{"ann@example.org", "bob@example.org"} {
		if got := k.take(address); got != "" {
			t.Errorf("%s: code %q although there is none", address, got)
		}
	}
	open, err := d.DialContext(t.Context(), "tcp", k.address())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time is no error; open conversations end
		if err := k.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	_ = open.Close()
}

// A slice that finds the pool empty says so; it is not counted as slow.
func TestSpentPoolAndLimits(t *testing.T) {
	t.Parallel()
	e := &enrolment{stage: &stage{Bench: &Bench{Users: 2}}}
	e.pool.codes = []sentCode{{n: 3, state: "a.b.c.d.e", code: "123"}}
	w := &worker{}
	got := string(e.put(e.stage, w))
	if !strings.HasPrefix(got, "PUT "+usersPath+"/"+string(appendID(nil, 1))+"/validatedEmailAddresses/a.b.c.d.e ") ||
		!strings.Contains(got, `"verifyCode":"123"`) || !strings.Contains(got, destination(3)) {
		t.Errorf("PUT = %q", got)
	}
	if got := e.put(e.stage, w); got != nil || !errors.Is(w.failed, errSpent) {
		t.Errorf("PUT from an empty pool = %q, %v", got, w.failed)
	}
	// One code a user at a time: a larger pool would not help.
	e.pool.codes = make([]sentCode, e.Users)
	e.pool.next.Store(int64(e.Users))
	if got := e.put(e.stage, w); got != nil || !errors.Is(w.failed, errFew) {
		t.Errorf("PUT with a code spent for every user = %q, %v", got, w.failed)
	}
	seen := map[string]bool{}
	for range 2 * userSends {
		request := string(e.post(e.stage, w))
		if seen[request] {
			t.Fatalf("twice: %q", request)
		}
		seen[request] = true
	}
	if got := e.post(e.stage, w); got != nil || !errors.Is(w.failed, errLimited) {
		t.Errorf("POST past the limit of a day = %q, %v", got, w.failed)
	}
}
