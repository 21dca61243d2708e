package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
)

// accountLinks adds what links accounts at other providers.
func (w *Web) accountLinks(e *echo.Echo) {
	one := accountSecurityPath + "/identity/:provider"
	for name, do := range map[string]func(*member) error{"link": (*member).link, "unlink": (*member).unlink} {
		e.POST(one+"/"+name, w.own(accountPage{fresh: true, back: accountSecurityPath, form: pageSecurity, do: do}))
	}
}

func (m *member) linker() authn.Linker {
	return authn.Linker{Visitor: m.v, UserID: m.user.ID, SessionID: m.session}
}

// link leads to a provider, to say which account there is the owner's.
func (m *member) link() error {
	to, _, err := m.web.cfg.Account.Links.BeginLink(m.ctx(), m.linker(), m.echo.Param("provider"))
	switch {
	case errors.Is(err, authn.ErrNoProvider), errors.Is(err, authn.ErrLinkTaken):
		return m.gone(err)
	case err != nil:
		if _, refused := errors.AsType[*authn.Refusal](err); refused {
			return &refusal{status: http.StatusBadGateway, text: "error.federation", again: m.web.at(accountSecurityPath), cause: err}
		}
		return fmt.Errorf("link account: %w", err)
	}
	return m.web.away(m.request, view{}, to)
}

// unlink takes the account at a provider away.
func (m *member) unlink() error {
	err := m.web.cfg.Account.Links.Unlink(m.ctx(), m.linker(), m.echo.Param("provider"))
	if errors.Is(err, authn.ErrNotLinked) {
		return m.gone(err)
	}
	if err != nil {
		return fmt.Errorf("unlink account: %w", err)
	}
	if err := m.renew(); err != nil {
		return err
	}
	return m.done(accountSecurityPath, "remove")
}
