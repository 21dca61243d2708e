package servertest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/oidc/flow"
)

// LoginUI is a login page of an application that drives logins as JSON: the
// script of a browser with cookies, or a native app with a flow key. It sees no
// HTML of the server.
//
//	ui := s.LoginUI(t, "https://login.example.com")
//	m := ui.Get(ui.Open(app.AuthURL()))
//	m = ui.Put(m.With(flow.PasswordURN, "username", "ann", "password", "…"))
//	code := ui.Finish(ui.Follow(m).URI)
//
// It is not safe for concurrent use.
type LoginUI struct {
	// Origin is sent with every request of the script; "": none.
	Origin string
	// Key is the flow key of a native app; "": cookies are used.
	Key string
	// Header are further headers.
	Header http.Header

	tb     testing.TB
	server *Server
	client *http.Client
}

// LoginUI returns one in a browser without cookies.
func (s *Server) LoginUI(tb testing.TB, origin string) *LoginUI {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatalf("make cookie jar: %v", err)
	}
	ui := &LoginUI{Origin: origin, Header: http.Header{}, tb: tb}
	ui.server, ui.client = s, &http.Client{
		Transport: s.HTTP().Transport, Jar: jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return ui
}

// Through sends further requests to this node. All nodes must have one issuer.
func (ui *LoginUI) Through(node *Server) {
	ui.server, ui.client.Transport = node, node.HTTP().Transport
}

// Message is an answer of the JSON login.
type Message struct {
	Reply
	Doc map[string]any
}

// Open opens an authorization request as a browser does and returns the URI of
// the flow that the login page is given; anything else fails the test.
func (ui *LoginUI) Open(authURL string) string {
	ui.tb.Helper()
	at := authURL
	for range maxRedirects {
		to := ui.Redirect(at)
		if uri := to.Query().Get("flow"); uri != "" {
			return uri
		}
		at = to.String()
	}
	ui.tb.Fatalf("%s does not lead to the login page of the application", authURL)
	return ""
}

// Redirect opens an address as a browser does and returns where it leads.
func (ui *LoginUI) Redirect(address string) *url.URL {
	ui.tb.Helper()
	req := ui.request(http.MethodGet, address, "")
	req.Header.Del("Origin") // of a navigation
	r := Send(ui.tb, ui.client, req)
	to, err := req.URL.Parse(r.Header.Get("Location"))
	if err != nil || r.Status != http.StatusSeeOther && r.Status != http.StatusFound {
		ui.tb.Fatalf("GET %s: %d %s, want a redirect", address, r.Status, r.Body)
	}
	return to
}

// Begin begins a login with a flow key, as a native app does.
func (ui *LoginUI) Begin(params url.Values) Message {
	ui.tb.Helper()
	req := ui.request(http.MethodPost, ui.server.Issuer()+flow.PathBegin, params.Encode())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return ui.send(req)
}

// Get reads a message.
func (ui *LoginUI) Get(uri string) Message {
	ui.tb.Helper()
	return ui.send(ui.request(http.MethodGet, uri, ""))
}

// Put sends a message back to its location.
func (ui *LoginUI) Put(m Message) Message {
	ui.tb.Helper()
	body, err := json.Marshal(m.Doc)
	if err != nil {
		ui.tb.Fatalf("write message: %v", err)
	}
	return ui.PutTo(m.Location(), string(body))
}

// PutTo sends a body.
func (ui *LoginUI) PutTo(uri, body string) Message {
	ui.tb.Helper()
	return ui.put(uri, "application/json", body)
}

// PutAs sends a message back as another media type.
func (ui *LoginUI) PutAs(m Message, media string) Message {
	ui.tb.Helper()
	body, err := json.Marshal(m.Doc)
	if err != nil {
		ui.tb.Fatalf("write message: %v", err)
	}
	return ui.put(m.Location(), media, string(body))
}

func (ui *LoginUI) put(uri, media, body string) Message {
	ui.tb.Helper()
	req := ui.request(http.MethodPut, uri, body)
	req.Header.Set("Content-Type", media)
	return ui.send(req)
}

// Preflight asks as a browser does whether the script may call.
func (ui *LoginUI) Preflight(uri, method string) Message {
	ui.tb.Helper()
	req := ui.request(http.MethodOptions, uri, "")
	req.Header.Set("Access-Control-Request-Method", method)
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	return ui.send(req)
}

// Next is what follows a flow that is satisfied.
type Next struct{ Name, URI string }

// Follow asks where to go on.
func (ui *LoginUI) Follow(m Message) Next {
	ui.tb.Helper()
	ref, _ := m.member("followUp")["$ref"].(string)
	r := ui.Get(ref)
	if r.Status != http.StatusOK || len(r.Doc) != 1 {
		ui.tb.Fatalf("followUp: %d %s", r.Status, r.Body)
	}
	for name, uri := range r.Doc {
		text, _ := uri.(string)
		return Next{name, text}
	}
	return Next{}
}

// Finish opens continue_redirect_uri and returns the answer that the
// application gets.
func (ui *LoginUI) Finish(next Next) url.Values {
	ui.tb.Helper()
	if next.Name != "continue_redirect_uri" {
		ui.tb.Fatalf("%s %s, want continue_redirect_uri", next.Name, next.URI)
	}
	to := ui.Redirect(next.URI)
	if strings.HasPrefix(to.String(), ui.server.Issuer()) {
		ui.tb.Fatalf("%s leads to %s, want the application", next.URI, to)
	}
	return to.Query()
}

func (ui *LoginUI) request(method, address, body string) *http.Request {
	ui.tb.Helper()
	req, err := http.NewRequestWithContext(ui.tb.Context(), method, address, strings.NewReader(body))
	if err != nil {
		ui.tb.Fatalf("%s %s: %v", method, address, err)
	}
	maps.Copy(req.Header, ui.Header)
	req.Header.Set("Accept", "application/json")
	if ui.Origin != "" {
		req.Header.Set("Origin", ui.Origin)
	}
	if ui.Key != "" {
		req.Header.Set(flow.KeyHeader, ui.Key)
	}
	return req
}

func (ui *LoginUI) send(req *http.Request) Message {
	ui.tb.Helper()
	m := Message{Reply: Send(ui.tb, ui.client, req)}
	if media := m.Header.Get("Content-Type"); strings.Contains(media, "html") {
		ui.tb.Fatalf("%s %s: HTML", req.Method, req.URL)
	}
	if m.Body != "" {
		if err := json.Unmarshal([]byte(m.Body), &m.Doc); err != nil {
			ui.tb.Fatalf("%s %s: %v in %s", req.Method, req.URL, err, m.Body)
		}
	}
	return m
}

// Location is where the message is sent back to.
func (m Message) Location() string {
	uri, _ := m.member("meta")["location"].(string)
	return uri
}

// ResourceType is the kind of the flow.
func (m Message) ResourceType() string {
	kind, _ := m.member("meta")["resourceType"].(string)
	return kind
}

// Success tells that the flow is satisfied.
func (m Message) Success() bool { yes, _ := m.Doc["success"].(bool); return yes }

// Member is a member of the member of an authenticator, as text; "": none.
func (m Message) Member(urn, name string) string {
	value, ok := m.member(urn)[name]
	if !ok {
		return ""
	}
	if text, ok := value.(string); ok {
		return text
	}
	doc, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(doc)
}

// Has tells whether there is such a member.
func (m Message) Has(urn string) bool { _, ok := m.Doc[urn]; return ok }

func (m Message) member(name string) map[string]any {
	o, _ := m.Doc[name].(map[string]any)
	return o
}

// With is the message with members set in that of an authenticator, or at the
// top for the URN "".
func (m Message) With(urn string, pairs ...any) Message {
	out := Message{Doc: maps.Clone(m.Doc)}
	into := out.Doc
	if urn != "" {
		if into = maps.Clone(m.member(urn)); into == nil {
			into = map[string]any{}
		}
		out.Doc[urn] = into
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		into[name] = pairs[i+1]
	}
	return out
}
