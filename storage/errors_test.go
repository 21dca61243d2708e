package storage

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sallyport-id/sallyport/scim"
)

// A database that is out of reach is no bug of this program: the client is
// told to come again (503), and what was wrong stays in the log.
func TestUnreachableDatabaseIsBusy(t *testing.T) {
	t.Parallel()
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for name, tt := range map[string]struct {
		err  error
		want int
	}{
		"connection refused":   {refused, http.StatusServiceUnavailable},
		"connection cut":       {io.ErrUnexpectedEOF, http.StatusServiceUnavailable},
		"connection closed":    {net.ErrClosed, http.StatusServiceUnavailable},
		"bad connection":       {driver.ErrBadConn, http.StatusServiceUnavailable},
		"too many connections": {&pgconn.PgError{Code: "53300"}, http.StatusServiceUnavailable},
		"shutting down":        {&pgconn.PgError{Code: "57P01"}, http.StatusServiceUnavailable},
		"starting":             {&pgconn.PgError{Code: "57P03"}, http.StatusServiceUnavailable},
		"connection failure":   {&pgconn.PgError{Code: "08006"}, http.StatusServiceUnavailable},
		"read-only standby":    {&pgconn.PgError{Code: "25006"}, http.StatusInternalServerError},
		"our own mistake":      {&pgconn.PgError{Code: "42601"}, http.StatusInternalServerError},
		"anything else":        {errors.New("broken"), http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := (&DB{}).sqlError(t.Context(), "read", fmt.Errorf("driver: %w", tt.err))
			e := scim.AsError(err)
			if e.Status != tt.want || (e.RetryAfter > 0) != (tt.want == http.StatusServiceUnavailable) {
				t.Errorf("answer to %v: %d, Retry-After %v; want %d", err, e.Status, e.RetryAfter, tt.want)
			}
			if !errors.Is(err, tt.err) {
				t.Errorf("%v lost its cause", err)
			}
		})
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (&DB{}).sqlError(gone, "read", refused); !errors.Is(err, context.Canceled) || errors.Is(err, scim.ErrBusy) {
		t.Errorf("a client that has gone: %v, want %v", err, context.Canceled)
	}
}
