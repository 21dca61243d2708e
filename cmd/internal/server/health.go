package server

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// readyTimeout bounds the look at the database behind /readyz.
const readyTimeout = 2 * time.Second

// check is one named condition of readiness.
type check struct {
	name string
	test func(ctx context.Context) error
}

// readiness is the body of /readyz: "ok" or "failing" per check. What is wrong
// is in the log; the body is public.
type readiness struct {
	Status string            `json:"status"`
	Checks map[string]string `json:"checks"`
}

// healthz says that the process answers.
func healthz(c echo.Context) error { return c.String(http.StatusOK, "ok\n") }

// readyz says whether requests may be sent here.
func (s *Server) readyz(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	body := readiness{Status: "ok", Checks: map[string]string{}}
	for _, ch := range s.checks() {
		body.Checks[ch.name] = "ok"
		if err := ch.test(ctx); err != nil {
			body.Status, body.Checks[ch.name] = "failing", "failing"
			s.logger.WarnContext(ctx, "not ready", "check", ch.name, "error", err)
		}
	}
	status := http.StatusOK
	if body.Status != "ok" {
		status = http.StatusServiceUnavailable
	}
	return c.JSON(status, body)
}
