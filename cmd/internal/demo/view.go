package demo

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// view is what the page shows.
type view struct {
	Issuer  string
	Claims  []row // empty: nobody is logged in
	Problem *problem
	Done    string
	Sent    int
}

// row is one claim with what it means.
type row struct{ Name, Value, Meaning string }

// problem is an error in plain words.
type problem struct{ Title, Text, Code string }

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	claims, _, sent := a.sessions.get(sessionOf(r))
	a.show(w, http.StatusOK, view{Claims: rows(claims), Sent: sent})
}

// fail shows a problem; who was logged in still is.
func (a *App) fail(w http.ResponseWriter, r *http.Request, status int, p problem) {
	claims, _, sent := a.sessions.get(sessionOf(r))
	a.show(w, status, view{Claims: rows(claims), Problem: &p, Sent: sent})
}

func (a *App) show(w http.ResponseWriter, status int, v view) {
	v.Issuer = a.cfg.Issuer
	var b strings.Builder
	if err := a.page.Execute(&b, v); err != nil {
		a.cfg.Logger.Error("demo: page not shown", "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(b.String())) // the browser has gone
}

// meanings are those of claims (OpenID Connect Core 1.0 sections 2 and 5.1).
func meanings() map[string]string {
	return map[string]string{
		"sub":                "who you are: an id that never changes",
		"acr":                "the level of this login, as proved",
		"amr":                "what was shown to prove it",
		"auth_time":          "when the oldest of it was shown",
		"iss":                "who says so",
		"aud":                "for whom it is said",
		"iat":                "when the token was made",
		"exp":                "until when it counts",
		"nonce":              "ties the token to this login",
		"sid":                "the session, for logout",
		"at_hash":            "ties the access token to this token",
		"name":               "what to call you",
		"preferred_username": "your user name",
		"email":              "your e-mail address",
		"email_verified":     "whether the address was confirmed",
	}
}

// rows lists claims: those about the login first, then by name.
func rows(claims map[string]any) []row {
	first := []string{"sub", "acr", "amr", "auth_time"}
	names := slices.Sorted(maps.Keys(claims))
	slices.SortStableFunc(names, func(x, y string) int { return rank(first, x) - rank(first, y) })
	known := meanings()
	out := make([]row, 0, len(names))
	for _, name := range names {
		out = append(out, row{Name: name, Value: text(name, claims[name]), Meaning: known[name]})
	}
	return out
}

func rank(first []string, name string) int {
	if at := slices.Index(first, name); at >= 0 {
		return at
	}
	return len(first)
}

// text prints a claim; numbers of seconds are times.
func text(name string, value any) string {
	if n, ok := value.(float64); ok && slices.Contains([]string{"auth_time", "iat", "exp", "updated_at"}, name) {
		return fmt.Sprintf("%d (%s)", int64(n), time.Unix(int64(n), 0).UTC().Format("15:04:05 UTC"))
	}
	if s, ok := value.(string); ok {
		return s
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return string(raw)
}

// explain says what an error of an authorization response means (RFC 6749
// section 4.1.2.1, OpenID Connect Core 1.0 section 3.1.2.6).
func explain(code, description string) problem {
	words := map[string]problem{
		"access_denied": {Title: "You said no.", Text: "The login was cancelled or refused; the application got nothing."},
		"interaction_required": {
			Title: "This account cannot reach the level that was asked for.",
			Text:  "It has no usable second factor. Set one up, then try again.",
		},
		"unmet_authentication_requirements": {
			Title: "This account cannot reach the level that was asked for.",
			Text:  "It has no usable second factor. Set one up, then try again.",
		},
		"login_required":          {Title: "A login is needed.", Text: "The application asked for no page, but nobody is logged in."},
		"consent_required":        {Title: "Consent is needed.", Text: "The application asked for no page, but you were never asked."},
		"temporarily_unavailable": {Title: "The server is busy.", Text: "Try again in a moment."},
		"server_error":            {Title: "Something went wrong at the server.", Text: "Its log says what."},
	}
	p, ok := words[code]
	if !ok {
		p = problem{Title: "The request was refused.", Text: "The application sent something that the server does not accept."}
	}
	p.Code = code
	if description != "" {
		p.Code += ": " + description
	}
	return p
}
