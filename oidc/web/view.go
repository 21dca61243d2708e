package web

import (
	"cmp"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/oidc"
)

// view is what a template is given.
type view struct {
	Page  page
	Lang  string
	Title string // key of a text
	Look  look
	App   app
	// Txn, Post and CSRF are of the forms of a transaction: Post is where their
	// actions stand.
	Txn, Post, CSRF string
	// Fault is what is wrong with the answer that was given; nil: nothing.
	Fault *fault
	// User is who logs in, once that is known.
	User *person
	// Verifying tells that the step unlocks a scope and may be left out.
	Verifying bool
	// Onward is the path of a login that waits for an enrolment, on pages of the
	// account.
	Onward string
	// Refresh is where the page leads at once; empty: nowhere.
	Refresh string
	Device  bool
	// Nav are the parts of the account, on its pages.
	Nav  []navItem
	Body any

	web *Web
}

// T is a text of the catalog in the language of the page. Arguments are names
// and values in turn.
func (v view) T(key string, args ...string) string {
	values := map[string]string{"app": v.App.Name, "brand": v.Look.Name}
	for i := 0; i+1 < len(args); i += 2 {
		values[args[i]] = args[i+1]
	}
	return v.web.texts.Text(v.Lang, key, values)
}

// Has reports whether there is a text of that key.
func (v view) Has(key string) bool { return v.web.texts.Has(key) }

// Asset is the path of a static file.
func (v view) Asset(name string) string { return v.web.assets.path(name) }

// At is a path of ours.
func (v view) At(path string) string { return v.web.at(path) }

// Wait says how long something takes, rounded up.
func (v view) Wait(d time.Duration) string {
	unit, n := "second", seconds(d)
	if n > 90 {
		unit, n = "minute", (n+59)/60
	}
	if n > 90 {
		unit, n = "hour", (n+59)/60
	}
	if n != 1 {
		unit += "s"
	}
	return v.T("wait."+unit, "n", number(n))
}

// app is the application that asks.
type app struct {
	Name     string
	Monogram string
	// Logo is a data: URL; empty: the monogram stands in.
	Logo                              template.URL
	Website, Privacy, Terms, Contacts string
}

func newApp(c oidc.Client) app {
	a := app{
		Name: cmp.Or(c.Name, c.ID), Website: webURL(c.URI), Privacy: webURL(c.PolicyURI), Terms: webURL(c.TOSURI),
	}
	a.Monogram = monogram(a.Name)
	if oidc.DataImage(c.LogoURI) {
		a.Logo = template.URL(c.LogoURI) //nolint:gosec // an image by its media type, checked above
	}
	return a
}

// webURL passes links that a browser may follow from our pages.
func webURL(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return uri
}

func monogram(name string) string {
	first, _ := utf8.DecodeRuneInString(strings.TrimSpace(name))
	if first == utf8.RuneError {
		return ""
	}
	return strings.ToUpper(string(first))
}

// person is a user on a page.
type person struct{ Name, UserName, Monogram string }

func newPerson(u authn.User) *person {
	name := u.DisplayName()
	return &person{Name: name, UserName: u.UserName, Monogram: monogram(name)}
}

// fault is what a page says about an answer that was refused.
type fault struct {
	Text string
	// Field is the id of the field that is wrong; "": none.
	Field string
}

// render writes a page.
func (r *request) render(status int, p page, v view) error {
	v.Page, v.Lang, v.Look, v.web = p, r.lang, r.web.look, r.web
	if v.CSRF == "" && v.Txn != "" {
		v.CSRF = r.web.key.token(v.Txn, p, r.v.Browser)
	}
	var b strings.Builder
	if err := r.web.pages[p].ExecuteTemplate(&b, "layout", v); err != nil {
		return err
	}
	r.echo.Response().Header().Set("Content-Language", r.lang)
	if r.http().Method == http.MethodHead {
		return r.echo.NoContent(status)
	}
	return r.echo.HTML(status, b.String())
}

// sorted lists parameters by name.
func sorted(params map[string]string) []param {
	out := make([]param, 0, len(params))
	for _, name := range slices.Sorted(maps.Keys(params)) {
		out = append(out, param{name, params[name]})
	}
	return out
}

// hostOf is the host of a URI, for a page that knows nothing better.
func hostOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	return cmp.Or(u.Host, uri)
}

// Wrong reports whether the fault is about the field.
func (v view) Wrong(field string) bool { return v.Fault != nil && v.Fault.Field == field }

// Fixed reports whether the answer must be about this user.
func (v view) Fixed() bool {
	b, ok := v.Body.(loginBody)
	return ok && b.Fixed
}

// With pairs the view with a method, for the part that shows one.
func (v view) With(m method) map[string]any { return map[string]any{"View": v, "Method": m} }

// Named is what a method is called: its kind, with the user's own name for it.
func (v view) Named(m method) string {
	key := "factor." + string(m.Factor)
	switch {
	case !v.Has(key):
		return cmp.Or(m.Name, string(m.Factor))
	case m.Name == "":
		return v.T(key)
	}
	return v.T("factor.named", "kind", v.T(key), "name", m.Name)
}

// MaySkip reports whether the step may be given up.
func (v view) MaySkip() bool {
	switch b := v.Body.(type) {
	case codeBody:
		return b.MaySkip
	case factorBody:
		return b.MaySkip
	}
	b, ok := v.Body.(interface{ MayBeSkipped() bool })
	return ok && b.MayBeSkipped()
}

// ScopeTitle is what a scope lets an application do: the operator's words, else
// ours, else its name.
func (v view) ScopeTitle(s oidc.ConsentScope) string {
	if s.Prompt != "" {
		return s.Prompt
	}
	if key := "scope." + s.Name; v.Has(key) {
		return v.T(key)
	}
	return cmp.Or(s.Description, s.Name)
}
