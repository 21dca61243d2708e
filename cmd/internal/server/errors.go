package server

import (
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/scim"
)

// errorHandler picks the writer of an error by route prefix: SCIM errors below
// /scim, a plain line with the request id everywhere else.
func (s *Server) errorHandler() echo.HTTPErrorHandler {
	return scim.ErrorHandler(s.logger, func(err error, c echo.Context) {
		if c.Response().Committed {
			return
		}
		status := http.StatusInternalServerError
		if he, ok := errors.AsType[*echo.HTTPError](err); ok {
			status = he.Code
		}
		text := http.StatusText(status) + "\nrequest " + c.Response().Header().Get(echo.HeaderXRequestID) + "\n"
		if c.Request().Method == http.MethodHead {
			text = ""
		}
		if werr := c.String(status, text); werr != nil {
			s.logger.Debug("error not delivered", "error", werr)
		}
	})
}

// reason strips the layers that repeat the address from a network error.
func reason(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	if sys, ok := errors.AsType[*os.SyscallError](err); ok {
		err = sys.Err
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return errors.New("the port is in use by another process")
	}
	return err
}

func trimSlash(u string) string { return strings.TrimRight(u, "/") }

func isHTTPS(u string) bool { return strings.HasPrefix(u, "https://") }
