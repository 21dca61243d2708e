package schema

import "strings"

// Code says what is wrong with a value, in the keywords of RFC 7644
// section 3.12 (scimType).
type Code string

// The scimType keywords that schema, filter and patch faults use.
const (
	InvalidSyntax Code = "invalidSyntax"
	InvalidValue  Code = "invalidValue"
	InvalidPath   Code = "invalidPath"
	InvalidFilter Code = "invalidFilter"
	MutabilityErr Code = "mutability"
	NoTarget      Code = "noTarget"
	Sensitive     Code = "sensitive" // answered 403: a filter, sort or path on a secret
	TooLarge      Code = "tooLarge"  // answered 413 without scimType
)

// Error is one fault of the input, with the attribute that it concerns.
type Error struct {
	Code   Code
	Path   string // canonical attribute path, or "" for the document
	Detail string // a sentence for the client that names the attribute and the way out; never a secret value
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Detail }

// Errors is all faults of one document, attribute by attribute.
type Errors []*Error

// Error implements error.
func (es Errors) Error() string {
	parts := make([]string, len(es))
	for i, e := range es {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "; ")
}

// Unwrap returns the single faults, for errors.As.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}
