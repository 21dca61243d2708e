package filter

import (
	"fmt"

	"github.com/sallyport-id/sallyport/schema"
)

// plain is a fault of the text as a whole.
func plain(code schema.Code, format string, args ...any) *schema.Error {
	return &schema.Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// refuse is a fault of one attribute in a filter. The format's first verb is
// for its path.
func refuse(path, format string, args ...any) *schema.Error {
	return &schema.Error{
		Code:   schema.InvalidFilter,
		Path:   path,
		Detail: fmt.Sprintf(format, append([]any{path}, args...)...),
	}
}

// shown is a path as an error repeats it. Its characters are those of names and
// URIs; its length is bounded, so that a detail stays readable.
func shown(a AttrPath) string {
	const longest = 200
	if s := a.String(); len(s) <= longest {
		return s
	}
	return a.String()[:longest] + "…"
}
