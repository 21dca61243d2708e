package servertest

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

// The kinds of pages.
const (
	KindLogin    = "login"    // asks for a password, or for a way without
	KindAccount  = "account"  // which of the accounts of this browser
	KindFactor   = "factor"   // which second factor
	KindCode     = "code"     // a one-time code
	KindPassword = "password" // a new password
	KindConsent  = "consent"  // what the application may do
	KindDevice   = "device"   // the code that a device shows
	KindLogout   = "logout"   // whether to log out
	KindOther    = ""         // no question: an error, a farewell, JSON
)

// Page is what a Browser is shown at the end of a walk.
type Page struct {
	Status int
	URL    *url.URL // of this page
	Header http.Header
	Body   string
	// Away is where the server has sent the browser, when that is not the server
	// itself: the redirect URI of an application with its parameters.
	Away *url.URL
	// Posted is what a form took there (response_mode=form_post).
	Posted url.Values

	forms   []Form
	text    string
	refresh string // where a meta element leads at once
}

// Answer are the parameters that went to the application. It fails the test
// when the browser was not sent there.
func (p Page) Answer(tb testing.TB) url.Values {
	tb.Helper()
	if p.Away == nil {
		tb.Fatalf("still at %s (%d), want the application:\n%s", p.URL, p.Status, p.Text())
	}
	if p.Posted != nil {
		return p.Posted
	}
	return p.Away.Query()
}

// Code is the authorization code that went to the application. It fails the
// test when there is none.
func (p Page) Code(tb testing.TB) string {
	tb.Helper()
	answer := p.Answer(tb)
	if answer.Get("code") == "" {
		tb.Fatalf("answer %v, want a code", answer)
	}
	return answer.Get("code")
}

// Kind is the question of the page, told by its fields.
func (p Page) Kind() string {
	for _, k := range []struct{ action, field, kind string }{
		{"login", "password", KindLogin},
		{"code", "code", KindCode},
		{"code", "secret", KindCode}, // a second password
		{"password", "new_password", KindPassword},
		{"account", "account", KindAccount},
		{"consent", "decision", KindConsent},
		{"confirm", "ticket", KindLogout},
		{"device", "user_code", KindDevice},
		{"factor", "username", KindLogin}, // without password
		{"factor", "factor", KindFactor},
	} {
		if f, _, ok := p.form(k.action); ok && f.has(k.field) {
			return k.kind
		}
	}
	return KindOther
}

// Text is what the page says to its reader.
func (p Page) Text() string {
	if p.text != "" {
		return p.text
	}
	return p.Body
}

// Value is what stands in a field of the form with this action, and whether the
// form has the field.
func (p Page) Value(action, field string) (string, bool) {
	f, _, ok := p.form(action)
	if !ok || !f.has(field) {
		return "", false
	}
	return f.Values().Get(field), true
}

// Buttons are the values of the buttons of this name in the form, with their
// text.
func (p Page) Buttons(action, name string) map[string]string {
	out := map[string]string{}
	if f, _, ok := p.form(action); ok {
		for _, i := range f.inputs {
			if i.name == name && i.button {
				out[i.value] = i.text
			}
		}
	}
	return out
}

// form finds the form whose action ends with this segment, else one with a
// button that leads there.
func (p Page) form(action string) (Form, *url.URL, bool) {
	for _, f := range p.forms {
		if path.Base(f.Action.Path) == action {
			return f, f.Action, true
		}
	}
	for _, f := range p.forms {
		for _, i := range f.inputs {
			if i.action != nil && path.Base(i.action.Path) == action {
				return f, i.action, true
			}
		}
	}
	return Form{}, nil, false
}

// Form is a form of a page.
type Form struct {
	Method string
	Action *url.URL
	inputs []input
}

type input struct {
	name, value, text string
	button, editable  bool
	checked           bool     // sent unless it is changed
	action            *url.URL // of a button with one of its own
}

func (f Form) has(name string) bool {
	for _, i := range f.inputs {
		if i.name == name {
			return true
		}
	}
	return false
}

// editable reports whether a person can write into a field.
func (f Form) editable(name string) bool {
	for _, i := range f.inputs {
		if i.name == name && i.editable {
			return true
		}
	}
	return false
}

// Values are those that the form has before anything is filled in.
func (f Form) Values() url.Values {
	out := url.Values{}
	for _, i := range f.inputs {
		if i.name != "" && i.checked && !i.button {
			out.Add(i.name, i.value)
		}
	}
	return out
}

func newPage(tb testing.TB, u *url.URL, r Reply) Page {
	tb.Helper()
	p := Page{Status: r.Status, URL: u, Header: r.Header, Body: r.Body}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		return p
	}
	root, err := html.Parse(strings.NewReader(r.Body))
	if err != nil {
		tb.Fatalf("parse page %s: %v", u, err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == "form" {
			p.forms = append(p.forms, newForm(tb, u, n))
		}
		if n.Type == html.ElementNode && n.Data == "meta" && strings.EqualFold(attr(n, "http-equiv"), "refresh") {
			_, p.refresh, _ = strings.Cut(attr(n, "content"), "url=")
		}
	}
	p.text = textOf(root)
	return p
}

func newForm(tb testing.TB, base *url.URL, n *html.Node) Form {
	tb.Helper()
	f := Form{Method: strings.ToUpper(attr(n, "method")), Action: resolve(tb, base, attr(n, "action"))}
	if f.Method == "" {
		f.Method = http.MethodGet
	}
	for c := range n.Descendants() {
		if c.Type != html.ElementNode || c.Data != "input" && c.Data != "button" || has(c, "disabled") {
			continue
		}
		kind := attr(c, "type")
		i := input{name: attr(c, "name"), value: attr(c, "value"), checked: true, editable: !has(c, "readonly") && kind != "hidden"}
		if c.Data == "button" {
			i.button, i.editable, i.text = true, false, textOf(c)
			if has(c, "formaction") {
				i.action = resolve(tb, base, attr(c, "formaction"))
			}
		}
		if kind == "checkbox" || kind == "radio" {
			i.checked = has(c, "checked")
		}
		f.inputs = append(f.inputs, i)
	}
	return f
}

func resolve(tb testing.TB, base *url.URL, ref string) *url.URL {
	tb.Helper()
	u, err := base.Parse(ref)
	if err != nil {
		tb.Fatalf("action %q on %s: %v", ref, base, err)
	}
	return u
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, name string) bool {
	for _, a := range n.Attr {
		if a.Key == name {
			return true
		}
	}
	return false
}

// textOf is the text below a node with single blanks.
func textOf(n *html.Node) string {
	var b strings.Builder
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		if n.Type == html.ElementNode && (n.Data == "script" || n.Data == "style" || n.Data == "head") {
			return
		}
		if n.Type == html.TextNode {
			b.WriteString(n.Data + " ")
		}
		for c := range n.ChildNodes() {
			walk(c)
		}
	}
	walk(n)
	return strings.Join(strings.Fields(b.String()), " ")
}
