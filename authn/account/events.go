package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// longestAgent is where the User-Agent is cut in events, in bytes.
const longestAgent = 256

func cut(agent string) string { return strings.ToValidUTF8(agent[:min(len(agent), longestAgent)], "") }

// detail is the detail of the events of accounts. It holds no secret, no typed
// name and no whole destination.
type detail struct {
	Kind        Kind             `json:"kind,omitempty"`
	Flow        string           `json:"flow,omitempty"`
	Channel     delivery.Channel `json:"channel,omitempty"`
	Destination string           `json:"destination,omitempty"` // masked
	Limit       string           `json:"limit,omitempty"`
	Ended       int64            `json:"sessions_ended,omitempty"`
	Reopened    bool             `json:"factors_reopened,omitempty"`
}

// event is an event of a visitor in a flow; userID "" is nobody.
func event(v Visitor, f Flow, name audit.Name, d detail) audit.Event {
	d.Kind, d.Flow, d.Channel = f.Kind, f.ID, f.Doc.Channel
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // names and numbers always marshal
	}
	out := audit.Event{
		Name: name, Outcome: audit.OK, Actor: audit.Party{Type: "browser"},
		RequestID: v.RequestID, UserAgent: cut(v.UserAgent), Detail: raw,
	}
	if v.IP.IsValid() {
		out.IP = v.IP.String()
	}
	if f.UserID != "" {
		out.Target = audit.Party{Type: "User", ID: f.UserID}
	}
	return out
}

// refused is an event of what was not done, and why.
func (s *Service) refused(v Visitor, f Flow, reason string) audit.Event {
	out := event(v, f, audit.RecoveryRefused, detail{})
	out.Outcome, out.Reason = audit.Refused, reason
	return out
}

// record appends events, in the transaction of ctx if there is one.
func (s *Service) record(ctx context.Context, events ...audit.Event) error {
	if err := s.cfg.Audit.Append(ctx, events...); err != nil {
		return fmt.Errorf("record account flow: %w", err)
	}
	return nil
}

// refuse records a refusal and returns the answer. If it cannot be recorded the
// request fails.
func (s *Service) refuse(ctx context.Context, v Visitor, f Flow, answer *Refusal) error {
	if err := s.record(context.WithoutCancel(ctx), s.refused(v, f, string(answer.Reason))); err != nil {
		return err
	}
	return answer
}
