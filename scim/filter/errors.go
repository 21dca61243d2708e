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
