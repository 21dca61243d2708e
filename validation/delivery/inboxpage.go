package delivery

import (
	_ "embed"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// InboxPath is where the development inbox stands; its JSON form stands at
// InboxPath + ".json", its style sheet at InboxPath + ".css".
const InboxPath = "/dev/inbox"

//go:embed inbox.html
var inboxHTML string

//go:embed inbox.css
var inboxCSS string

// Loopback says whether a host, without port, is this machine's own.
func Loopback(host string) bool {
	if host == "localhost" { // RFC 6761 section 6.3
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// InboxAllowed says whether a server with this issuer may have a development
// inbox: its codes are for who sits at the machine.
func InboxAllowed(issuer string) bool {
	u, err := url.Parse(issuer)
	return err == nil && Loopback(u.Hostname())
}

// InboxPage shows what the development inbox took. It has no login: it exists
// on loopback only.
type InboxPage struct {
	providers *Providers
	page      *template.Template
}

// NewInboxPage makes the page for these providers.
func NewInboxPage(p *Providers) (*InboxPage, error) {
	page, err := template.New("inbox").Parse(inboxHTML)
	if err != nil {
		return nil, fmt.Errorf("parse inbox page: %w", err)
	}
	return &InboxPage{providers: p, page: page}, nil
}

// Register adds the routes, if some channel goes to the inbox; else they do
// not exist.
func (p *InboxPage) Register(e *echo.Echo) {
	if !p.providers.HasInbox() {
		return
	}
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, InboxPath, local(p.show))
		e.Add(method, InboxPath+".json", local(p.json))
		e.Add(method, InboxPath+".css", local(p.style))
	}
}

// local hides the inbox from a request by another name: a page of a stranger
// whose name was pointed at this machine must not read the codes.
func local(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		host := c.Request().Host
		if bare, _, err := net.SplitHostPort(host); err == nil {
			host = bare
		}
		if !Loopback(host) {
			return echo.ErrNotFound
		}
		return next(c)
	}
}

func (p *InboxPage) style(c echo.Context) error {
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", []byte(inboxCSS))
}

// inboxItem is a message as the page shows it.
type inboxItem struct {
	ID       string    `json:"id"`
	Channel  Channel   `json:"channel"`
	Provider string    `json:"provider"`
	To       string    `json:"to"`
	Subject  string    `json:"subject,omitempty"`
	Text     string    `json:"text"`
	Code     string    `json:"code,omitempty"` // none in a notice
	Language string    `json:"language"`
	SentAt   time.Time `json:"sentAt"`
	Expires  time.Time `json:"expiresAt"`
}

// inboxRecipient is a destination with its messages, newest first.
type inboxRecipient struct {
	To       string      `json:"to"`
	Messages []inboxItem `json:"messages"`
}

func (p *InboxPage) show(c echo.Context) error {
	accept := c.Request().Header.Get(echo.HeaderAccept)
	if strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
		return p.json(c)
	}
	recipients, err := p.load(c)
	if err != nil {
		return err
	}
	var b strings.Builder
	data := struct {
		Recipients []inboxRecipient
		Channels   []Channel
	}{recipients, p.channels()}
	if err := p.page.Execute(&b, data); err != nil {
		return fmt.Errorf("show inbox: %w", err)
	}
	return c.HTML(http.StatusOK, b.String())
}

func (p *InboxPage) json(c echo.Context) error {
	recipients, err := p.load(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, struct {
		Recipients []inboxRecipient `json:"recipients"`
	}{recipients})
}

// channels are those that go to the inbox.
func (p *InboxPage) channels() []Channel {
	var out []Channel
	for _, pr := range p.providers.list {
		if pr.Inbox {
			out = append(out, pr.Channel)
		}
	}
	return out
}

// load reads the messages, by recipient; who got something last comes first.
func (p *InboxPage) load(c echo.Context) ([]inboxRecipient, error) {
	cfg := p.providers.cfg
	messages, err := cfg.Inbox.InboxMessages(c.Request().Context(), cfg.Now())
	if err != nil {
		return nil, fmt.Errorf("read inbox: %w", err)
	}
	out := []inboxRecipient{}
	for i := range messages {
		m := &messages[i]
		at := slices.IndexFunc(out, func(r inboxRecipient) bool { return r.To == m.To })
		if at < 0 {
			at = len(out)
			out = append(out, inboxRecipient{To: m.To})
		}
		out[at].Messages = append(out[at].Messages, inboxItem{
			ID: m.ID, Channel: m.Channel, Provider: m.Provider, To: m.To, Subject: m.Subject, Text: m.Text, Code: m.Code,
			Language: m.Language, SentAt: m.CreatedAt, Expires: m.ExpiresAt,
		})
	}
	return out, nil
}
