package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/validation"
)

// accountSessionsPath is the page of where one is logged in.
const accountSessionsPath = accountRoot + "/sessions"

// accountSessions adds the page of sessions.
func (w *Web) accountSessions(e *echo.Echo) {
	e.GET(accountSessionsPath, w.own(accountPage{do: (*member).sessions}))
	e.POST(accountSessionsPath+"/:action", w.own(accountPage{back: accountSessionsPath, form: pageOwnSessions, do: (*member).endSessions}))
}

// sessionsBody is the page of sessions.
type sessionsBody struct {
	News    string
	List    []ownSession
	Devices []authn.Device // browsers that are remembered
}

// Others reports whether there is another session than this one.
func (b sessionsBody) Others() bool { return len(b.List) > 1 }

// ownSession is one session of the owner.
type ownSession struct {
	ID, IP, UserAgent string
	Current           bool
	Since, Last       time.Time
	Apps              []string
}

func (m *member) sessions() error {
	all, err := m.web.cfg.Account.Credentials.Sessions(m.ctx(), m.owner)
	if err != nil {
		return fmt.Errorf("list sessions: %w", err)
	}
	b := sessionsBody{News: m.news()}
	for _, s := range slices.Backward(all) {
		b.List = append(b.List, newOwnSession(s, m.session))
	}
	slices.SortStableFunc(b.List, func(x, y ownSession) int { // this one first
		switch {
		case x.Current == y.Current:
			return 0
		case x.Current:
			return -1
		}
		return 1
	})
	if b.Devices, err = m.web.cfg.Account.Devices.Devices(m.ctx(), m.user.ID); err != nil {
		return err
	}
	return m.page(http.StatusOK, pageOwnSessions, view{Title: "own.sessions_title", Body: b})
}

func newOwnSession(s validation.Session, current string) ownSession {
	out := ownSession{
		ID: s.ID, IP: s.IP, UserAgent: s.UserAgent, Current: s.ID == current, Since: s.CreatedAt, Last: s.LoginAt,
	}
	if s.SecondFactorAt.After(out.Last) {
		out.Last = s.SecondFactorAt
	}
	for _, c := range s.Clients {
		out.Apps = append(out.Apps, c.Name)
	}
	return out
}

// endSessions ends one session, or all but this one, or forgets a browser.
func (m *member) endSessions() error {
	c := m.web.cfg.Account.Credentials
	switch m.echo.Param("action") {
	case "end":
		if err := c.EndSession(m.ctx(), m.owner, m.form.Get("session")); err != nil {
			return fmt.Errorf("end session: %w", err)
		}
		return m.done(accountSessionsPath, "session")
	case "others":
		if _, err := c.EndOtherSessions(m.ctx(), m.owner); err != nil {
			return fmt.Errorf("end other sessions: %w", err)
		}
		return m.done(accountSessionsPath, "sessions")
	case "forget":
		_, err := m.web.cfg.Account.Devices.ForgetDevice(m.ctx(), m.v, m.user.ID, m.session, m.form.Get("device"))
		if err != nil {
			return err
		}
		return m.done(accountSessionsPath, "device")
	}
	return refuse(http.StatusNotFound, "error.not_found", nil)
}
