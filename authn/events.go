package authn

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
)

// longestAgent is where the User-Agent is cut in events and sessions, in bytes.
const longestAgent = 256

// loginDetail is the detail of the events of logins. It holds no secret, no
// typed name and no whole destination.
type loginDetail struct {
	Factor      acr.Factor `json:"factor,omitempty"`
	Credential  string     `json:"credential,omitempty"`
	Txn         string     `json:"txn,omitempty"`
	Purpose     string     `json:"purpose,omitempty"`
	JTI         string     `json:"jti,omitempty"`
	Path        string     `json:"path,omitempty"`
	Destination string     `json:"destination,omitempty"` // masked
	Provider    string     `json:"provider,omitempty"`
	Limit       string     `json:"limit,omitempty"`
	Ended       int64      `json:"sessions_ended,omitempty"`
	// Of logins at providers elsewhere: its id, the account there, and what the
	// operator should know.
	Upstream string `json:"upstream,omitempty"`
	Issuer   string `json:"issuer,omitempty"`
	Subject  string `json:"subject,omitempty"`
	Note     string `json:"note,omitempty"`
}

// event is an event of a visitor about a user; userID "" is nobody that exists.
func event(v Visitor, name audit.Name, clientID, userID string, d loginDetail) audit.Event {
	detail, err := json.Marshal(d)
	if err != nil {
		panic(err) // names and numbers always marshal
	}
	out := audit.Event{
		Name: name, Outcome: audit.OK, Actor: audit.Party{Type: "browser", Client: clientID},
		RequestID: v.RequestID, UserAgent: cut(v.UserAgent), Detail: detail,
	}
	if v.IP.IsValid() {
		out.IP = v.IP.String()
	}
	if userID != "" {
		out.Target = audit.Party{Type: "User", ID: userID}
	}
	return out
}

// proved is an event of a user who has shown something.
func proved(v Visitor, name audit.Name, clientID, userID, sessionID string, d loginDetail) audit.Event {
	out := event(v, name, clientID, userID, d)
	out.Actor.Type, out.Actor.ID, out.Session = "user", userID, sessionID
	return out
}

func cut(agent string) string { return strings.ToValidUTF8(agent[:min(len(agent), longestAgent)], "") }

// record appends events, in the transaction of ctx if there is one.
func (e *Engine) record(ctx context.Context, events ...audit.Event) error {
	if err := e.cfg.Audit.Append(ctx, events...); err != nil {
		return fmt.Errorf("record login: %w", err)
	}
	return nil
}

// refuse records a refusal and returns it. If it cannot be recorded the request
// fails.
func (e *Engine) refuse(ctx context.Context, ev audit.Event, reason string, answer *Refusal) error {
	ev.Outcome, ev.Reason = audit.Refused, reason
	if err := e.record(context.WithoutCancel(ctx), ev); err != nil {
		return err
	}
	return answer
}

func (e *Engine) sessionEnded(v Visitor, s session.Session) audit.Event {
	return proved(v, audit.SessionEnded, "", s.UserID, s.ID, loginDetail{})
}
