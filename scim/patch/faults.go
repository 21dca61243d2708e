package patch

import (
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/schema"
)

// clipLength bounds what a detail repeats of the client's own input.
const clipLength = 100

// fault returns one fault for the client.
func fault(code schema.Code, path, format string, args ...any) *schema.Error {
	return &schema.Error{Code: code, Path: path, Detail: fmt.Sprintf(format, args...)}
}

// tooMany reports more elements than the limits allow.
func tooMany(ref schema.Ref, limit int) error {
	return fault(schema.InvalidValue, ref.String(), "%s would have more than %d values, which is the limit", ref, limit)
}

// clip shortens client input for a detail.
func clip(s string) string {
	r := []rune(s)
	if len(r) <= clipLength {
		return s
	}
	return string(r[:clipLength]) + "…"
}

// detail returns the sentence for the client that err carries.
func detail(err error) string {
	if e, ok := errors.AsType[*schema.Error](err); ok {
		return e.Detail
	}
	return err.Error()
}

// located tells the client which of several operations is at fault.
func located(err error, i, n int) error {
	if n == 1 {
		return err
	}
	if all, ok := errors.AsType[schema.Errors](err); ok {
		out := make(schema.Errors, len(all))
		for j, e := range all {
			out[j] = numbered(e, i)
		}
		return out
	}
	if e, ok := errors.AsType[*schema.Error](err); ok {
		return numbered(e, i)
	}
	return fmt.Errorf("operation %d: %w", i+1, err)
}

func numbered(e *schema.Error, i int) *schema.Error {
	return &schema.Error{Code: e.Code, Path: e.Path, Detail: fmt.Sprintf("operation %d: %s", i+1, e.Detail)}
}
