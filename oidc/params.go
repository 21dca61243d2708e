package oidc

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// Limits of requests, in bytes: a state of 4 KiB passes, and none of them can
// exhaust memory or a column.
const (
	maxForm      = 128 << 10
	maxParam     = 8 << 10
	maxLongParam = 32 << 10 // request objects, assertions, claims, tokens
)

// params are the parameters of a request: each is there once and not empty
// (RFC 6749 section 3.1). Those that may be repeated, resource (RFC 8707
// section 2), are one text with blanks between.
type params map[string]string

// parseParams takes what may be taken and names the parameters that may not:
// repeated or too long ones, and what is no text (RFC 6749 appendices A and B).
func parseParams(values url.Values) (p params, bad []string) {
	p = make(params, len(values))
	for name, all := range values {
		// RFC 6749 section 3.1: without a value it counts as left out.
		sent := slices.DeleteFunc(slices.Clone(all), func(v string) bool { return v == "" })
		switch {
		case len(sent) == 0:
		case name == "resource":
			p[name] = strings.Join(sent, " ")
		case len(sent) > 1:
			bad = append(bad, name)
		default:
			p[name] = sent[0]
		}
		if len(p[name]) > limitOf(name) || !isText(p[name]) {
			delete(p, name)
			bad = append(bad, name)
		}
	}
	slices.Sort(bad)
	return p, bad
}

// isText reports UTF-8 without U+0000, which no database keeps.
func isText(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

func limitOf(name string) int {
	switch name {
	case "request", "client_assertion", "claims", "id_token_hint", "token":
		return maxLongParam
	default:
		return maxParam
	}
}

// badParams is the error of a request with parameters that may not be.
func badParams(bad []string) *Error {
	return &Error{Code: InvalidRequest, Description: "Parameter " + printable(bad[0]) + " is repeated, too long or not text."}
}

// list splits a value that is a list with blanks between; each entry counts
// once, in the order of its first.
func (p params) list(name string) []string { return splitList(p[name]) }

func splitList(text string) []string {
	var out []string
	for word := range strings.SplitSeq(text, " ") {
		if word != "" && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

// readForm reads the form of an endpoint that takes nothing else: no
// parameters in the URL (RFC 6749 section 2.3.1), none repeated.
func readForm(c echo.Context) (params, error) {
	r := c.Request()
	if r.URL.RawQuery != "" {
		return nil, &Error{Code: InvalidRequest, Description: "Send the parameters in the body, not in the URL."}
	}
	media, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType))
	if err != nil || media != echo.MIMEApplicationForm {
		return nil, &Error{Code: InvalidRequest, Description: "Send a body of type application/x-www-form-urlencoded."}
	}
	r.Body = http.MaxBytesReader(c.Response(), r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, (&Error{Code: InvalidRequest, Description: "The form cannot be read or is too long."}).Because(err)
	}
	p, bad := parseParams(r.PostForm)
	if len(bad) > 0 {
		return nil, badParams(bad)
	}
	return p, nil
}

// resources are the resource indicators (RFC 8707).
func (p params) resources() []string { return p.list("resource") }

// Get returns a parameter; "": it was not sent.
func (p params) Get(name string) string { return p[name] }
