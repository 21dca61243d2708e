package servertest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/storage/storagetest"
	"github.com/sallyport-id/sallyport/validation/delivery/twiliofake"
)

// world is a server with a mail gateway, a Twilio and a clock of its own, and
// one user.
type world struct {
	*servertest.Server
	t      *testing.T
	mail   *mailGateway
	twilio *twiliofake.Server
	clock  *clock
	admin  string // a provisioning token with every scope
	user   string // id of the user dr.veil
}

// eachWorld runs a test on every kind of database.
func eachWorld(t *testing.T, run func(t *testing.T, w *world), edits ...func(*config.Config)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			run(t, newWorld(t, kind, edits...))
		})
	}
}

func newWorld(t *testing.T, kind string, edits ...func(*config.Config)) *world {
	t.Helper()
	w := &world{t: t, mail: newMailGateway(t), twilio: twiliofake.New("AC0123456789abcdef0123456789abcdef", "twilio-secret"), clock: newClock()}
	t.Cleanup(w.twilio.Close)
	cfg := servertest.Settings(t)
	if kind == "postgres" {
		cfg.DatabaseURL = config.Secret(storagetest.Postgres(t).Config.URL)
		cfg.MasterKey = config.Secret(server.NewMasterKey())
	}
	cfg.Delivery.SMTP.URL = config.Secret("smtp://" + w.mail.addr + "?tls=off")
	cfg.Delivery.SMTP.From = "id@sallyport.example"
	cfg.Delivery.Twilio.AccountSID, cfg.Delivery.Twilio.AuthToken = w.twilio.AccountSID, config.Secret(w.twilio.AuthToken)
	cfg.Delivery.Twilio.From, cfg.Delivery.Twilio.BaseURL = "+15125550199", w.twilio.URL
	// Most tests count the mails with codes; those of notices switch them on.
	cfg.SecondFactors.Notices = false
	w.Server = servertest.StartAt(t, w.clock.Now, cfg, edits...)
	w.admin = w.Token(t, "compat")
	w.user = w.newUser("dr.veil")
	return w
}

// second starts another node on the same data.
func (w *world) second() *servertest.Server {
	w.t.Helper()
	return servertest.StartAt(w.t, w.clock.Now, w.Config)
}

func (w *world) newUser(name string) string {
	w.t.Helper()
	r := w.Do(w.t, "POST", "/scim/v2/Users", w.admin, fmt.Sprintf(
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"active":true,"preferredLanguage":"en"}`, name))
	if r.Status != http.StatusCreated {
		w.t.Fatalf("create user: %d %s", r.Status, r.Body)
	}
	return str(w.t, r.Body, "id")
}

// path is that of a sub-resource of the user.
func (w *world) path(rest string) string { return "/scim/v2/Users/" + w.user + "/" + rest }

func (w *world) do(method, path, body string) servertest.Reply {
	w.t.Helper()
	return w.Do(w.t, method, path, w.admin, body)
}

// must sends a request that has to give this status.
func (w *world) must(status int, method, path, body string) servertest.Reply {
	w.t.Helper()
	r := w.do(method, path, body)
	if r.Status != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, r.Status, r.Body, status)
	}
	return r
}

const (
	emailURN = "urn:pingidentity:scim:api:messages:2.0:EmailValidationRequest"
	phoneURN = "urn:pingidentity:scim:api:messages:2.0:TelephonyValidationRequest"
	totpURN  = "urn:pingidentity:scim:api:messages:2.0:TOTPSecretRegistrationRequest"
	address  = "dr.veil@sainteanne.com"
	number   = "+15125550100"
)

func emailBody(value string) string {
	return fmt.Sprintf(`{"schemas":[%q],"attributePath":"secondFactorEmail","attributeValue":%q}`, emailURN, value)
}

// started is a code that was sent.
type started struct {
	reply     servertest.Reply
	path      string // of the state, below the base URL
	state     string
	code      string
	replyBody map[string]any
}

// startEmail requests a code for an address and reads it from the mail.
func (w *world) startEmail(value string) started {
	w.t.Helper()
	before := w.mail.count()
	r := w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), emailBody(value))
	mail := w.mail.wait(w.t, before+1)
	return w.opened(r, codeIn(w.t, mail.text(), 8))
}

func (w *world) opened(r servertest.Reply, code string) started {
	w.t.Helper()
	s := started{reply: r, state: str(w.t, r.Body, "id"), code: code, replyBody: object(w.t, r.Body)}
	location, _ := s.replyBody["meta"].(map[string]any)["location"].(string)
	if location != r.Header.Get("Location") || !strings.HasPrefix(location, w.URL()+"/") {
		w.t.Fatalf("meta.location %q, Location %q, base %q", location, r.Header.Get("Location"), w.URL())
	}
	s.path = strings.TrimPrefix(location, w.URL())
	return s
}

// put returns the record with the code, as the clients do.
func (w *world) put(s started, code string) servertest.Reply {
	w.t.Helper()
	return w.do("PUT", s.path, with(w.t, s.reply.Body, "verifyCode", code))
}

// wrong is another code of the same form.
func wrong(code string) string {
	b := []byte(code)
	b[0] = '0' + (b[0]-'0'+1)%10
	return string(b)
}

// with adds a member to a JSON object.
func with(t *testing.T, body, name string, value any) string {
	t.Helper()
	o := object(t, body)
	o[name] = value
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return o
}

func str(t *testing.T, body, name string) string {
	t.Helper()
	s, ok := object(t, body)[name].(string)
	if !ok {
		t.Fatalf("no %s in %s", name, body)
	}
	return s
}

// refused checks an error answer to the letter.
func refused(t *testing.T, r servertest.Reply, status int, scimType, detail string) {
	t.Helper()
	o := object(t, r.Body)
	if r.Status != status || o["detail"] != detail || o["status"] != fmt.Sprint(status) || scimType != fmt.Sprint(o["scimType"]) && (scimType != "" || o["scimType"] != nil) {
		t.Errorf("got %d %s, want %d %q %q", r.Status, r.Body, status, scimType, detail)
	}
	if got := r.Header.Get("Content-Type"); got != "application/scim+json" {
		t.Errorf("media type of %s: %q", r.Body, got)
	}
	if got := r.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control of %s: %q", r.Body, got)
	}
}

// readable is the text of a mail without headers and boundaries, whose random
// names may look like codes.
func readable(raw string) string {
	var b strings.Builder
	text := false
	for line := range strings.Lines(raw) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "--"):
			text = false
		case line == "":
			text = true
		case text:
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// codeIn finds the one run of so many digits.
func codeIn(t *testing.T, text string, digits int) string {
	t.Helper()
	found := regexp.MustCompile(fmt.Sprintf(`(?:^|[^0-9A-Za-z+])([0-9]{%d})(?:[^0-9A-Za-z]|$)`, digits)).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no code of %d digits in %q", digits, text)
	}
	return found[1]
}

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().UTC().Truncate(time.Second)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// mailGateway is an SMTP server that keeps what it is given.
type mailGateway struct {
	addr   string
	server *smtp.Server

	mu     sync.Mutex
	arrive *sync.Cond
	mails  []mail
	refuse *smtp.SMTPError // of every recipient, nil: none
	hang   chan struct{}   // if set, DATA is read and never answered
}

type mail struct {
	to  string
	raw string
}

// text is the text of the mail.
func (m mail) text() string { return readable(strings.ReplaceAll(m.raw, "=\r\n", "")) }

func newMailGateway(t *testing.T) *mailGateway {
	t.Helper()
	g := &mailGateway{}
	g.arrive = sync.NewCond(&g.mu)
	g.listen(t, "127.0.0.1:0")
	t.Cleanup(g.stop)
	return g
}

func (g *mailGateway) listen(t *testing.T, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	g.addr = l.Addr().String()
	g.server = smtp.NewServer(g)
	g.server.Domain = "gateway.test"
	g.server.ErrorLog = quiet{}
	server := g.server
	go func() { _ = server.Serve(l) }()
}

func (g *mailGateway) stop() { _ = g.server.Close() }

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// NewSession implements smtp.Backend.
func (g *mailGateway) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{g: g}, nil }

type mailSession struct {
	g  *mailGateway
	to string
}

func (s *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.g.mu.Lock()
	defer s.g.mu.Unlock()
	s.to = to
	if s.g.refuse != nil {
		return s.g.refuse
	}
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.g.mu.Lock()
	hang := s.g.hang
	s.g.mails = append(s.g.mails, mail{to: s.to, raw: string(raw)})
	s.g.arrive.Broadcast()
	s.g.mu.Unlock()
	if hang != nil {
		<-hang
	}
	return nil
}

func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

func (g *mailGateway) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.mails)
}

// wait returns the nth mail. It has arrived: the answer to the request came
// after the gateway's.
func (g *mailGateway) wait(t *testing.T, n int) mail {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.mails) < n {
		t.Fatalf("%d mails, want %d", len(g.mails), n)
	}
	return g.mails[n-1]
}

// code is the code of the last SMS, from its text.
func (w *world) smsCode() string {
	w.t.Helper()
	messages := w.twilio.Messages()
	if len(messages) == 0 {
		w.t.Fatal("no SMS")
	}
	return codeIn(w.t, messages[len(messages)-1].Form.Get("Body"), 6)
}

// compact is JSON without blanks, for comparison.
func compact(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(body)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
