package validation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

const (
	sessionURN          = messagePrefix + "session"
	sessionResourceType = "Session"
	// currentURN names the object that says which session the caller's token
	// belongs to: strict clients take extra data in URN-named members only.
	currentURN = "urn:sallyport:params:scim:schemas:extension:session:2.0:Session"
)

// sessionRecord is one live session. Every member is read-only.
type sessionRecord struct {
	Schemas             []string        `json:"schemas"`
	ID                  string          `json:"id"`
	Meta                meta            `json:"meta"`
	LastLogin           string          `json:"lastLogin,omitempty"`
	LastLoginMethods    []string        `json:"lastLoginMethods,omitempty"`
	LastSecondFactor    string          `json:"lastSecondFactor,omitempty"`
	SecondFactorMethods []string        `json:"lastSecondFactorMethods,omitempty"`
	IPAddress           string          `json:"ipAddress,omitempty"`
	UserAgent           string          `json:"userAgentString,omitempty"`
	Clients             []sessionClient `json:"clients,omitempty"`
	Extension           currentSession  `json:"urn:sallyport:params:scim:schemas:extension:session:2.0:Session"`
}

type sessionClient struct {
	ConsentClient
	LastAuthorization string `json:"lastAuthorization,omitempty"`
}

type currentSession struct {
	Current bool `json:"current"`
}

// sessions adds the sub-resource of that name.
func (r routes) sessions() {
	s := r.s
	e := endpoint{name: "sessions", status: http.StatusOK, own: "manage_sessions", admin: "sessions"}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.listSessions))
	r.add(http.MethodGet, e.name+"/:key", call(s, e, noBody, s.showSession))
	e.status = http.StatusNoContent
	r.add(http.MethodDelete, e.name+"/:key", call(s, e, noBody, s.endSession))
}

func (s *Service) listSessions(ctx context.Context, t Target, _ none) (listReply[sessionRecord], error) {
	reply := listReply[sessionRecord]{Schemas: []string{listURN}}
	if t.parameter("filter") != "" {
		return reply, scim.NewError(http.StatusBadRequest, scim.TypeInvalidFilter, "This list takes no filter.")
	}
	all, err := s.cfg.Sessions.LiveSessions(ctx, t.User.ID, s.now())
	if err != nil {
		return reply, fmt.Errorf("list sessions: %w", err)
	}
	start, page, err := paged(t, all)
	if err != nil {
		return reply, err
	}
	reply.TotalResults, reply.StartIndex, reply.ItemsPerPage = len(all), start, len(page)
	reply.Resources = make([]sessionRecord, 0, len(page))
	for _, one := range page {
		reply.Resources = append(reply.Resources, sessionItem(t, one))
	}
	return reply, nil
}

func (s *Service) showSession(ctx context.Context, t Target, _ none) (sessionRecord, error) {
	all, err := s.cfg.Sessions.LiveSessions(ctx, t.User.ID, s.now())
	if err != nil {
		return sessionRecord{}, fmt.Errorf("read session: %w", err)
	}
	for _, one := range all {
		if one.ID == t.Key {
			return sessionItem(t, one), nil
		}
	}
	return sessionRecord{}, notFound()
}

// endSession ends a session and revokes its tokens, the caller's own included
// if it is that one.
func (s *Service) endSession(ctx context.Context, t Target, _ none) (none, error) {
	err := s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		ended, err := s.cfg.Sessions.EndSession(ctx, t.User.ID, t.Key, s.now())
		if err != nil {
			return fmt.Errorf("end session: %w", err)
		}
		if !ended {
			return notFound()
		}
		event, err := scim.UserEvent(t.Caller, audit.SessionEnded, t.User.ID, map[string]string{"session": t.Key})
		if err != nil {
			return err
		}
		return s.cfg.Audit.Append(ctx, event)
	})
	return none{}, err
}

func sessionItem(t Target, one Session) sessionRecord {
	r := sessionRecord{
		Schemas: []string{sessionURN, currentURN}, ID: one.ID,
		Meta:      meta{ResourceType: sessionResourceType, Created: dateTime(one.CreatedAt), Location: t.Location(one.ID)},
		LastLogin: dateTimeOrNone(one.LoginAt), LastLoginMethods: one.LoginMethods,
		LastSecondFactor: dateTimeOrNone(one.SecondFactorAt), SecondFactorMethods: one.SecondFactorMethods,
		IPAddress: one.IP, UserAgent: one.UserAgent,
		Extension: currentSession{Current: t.Caller.SessionID != "" && one.ID == t.Caller.SessionID},
	}
	for _, c := range one.Clients {
		r.Clients = append(r.Clients, sessionClient{ConsentClient: c.ConsentClient, LastAuthorization: dateTimeOrNone(c.LastAuthorization)})
	}
	return r
}

// dateTimeOrNone prints a time, "" for none.
func dateTimeOrNone(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return dateTime(t)
}

// EndLogins ends every session of a user with its tokens and every pending
// state: after a deactivation, a deletion, or a password that was set by
// somebody else. It joins the transaction of ctx.
func (f *Follower) EndLogins(ctx context.Context, sessions SessionStore, userID string, now time.Time) error {
	_, err := sessions.EndSessions(ctx, userID, "", now)
	return errors.Join(err, f.Deactivated(ctx, userID))
}
