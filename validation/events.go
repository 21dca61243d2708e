package validation

import (
	"context"
	"errors"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

// factorDetail is the detail of the events of this package.
type factorDetail struct {
	Kind        string `json:"kind"`
	Path        string `json:"path,omitempty"`
	JTI         string `json:"jti,omitempty"`
	Destination string `json:"destination,omitempty"` // masked
	Provider    string `json:"provider,omitempty"`
	Limit       string `json:"limit,omitempty"`
	Credential  string `json:"credential,omitempty"` // its name in the ledger of proofs
	Count       int    `json:"count,omitempty"`      // of recovery codes
}

func (d factorDetail) limit(name string) factorDetail {
	d.Limit = name
	return d
}

// audit appends an event about the user, in the transaction of ctx if there is
// one.
func (s *Service) audit(ctx context.Context, t Target, name audit.Name, detail factorDetail) error {
	event, err := scim.UserEvent(t.Caller, name, t.User.ID, detail)
	if err != nil {
		return err
	}
	return s.cfg.Audit.Append(ctx, event)
}

// refuse records a refusal and returns the answer. If it cannot be recorded the
// request fails.
func (s *Service) refuse(ctx context.Context, t Target, name audit.Name, detail factorDetail, answer error) error {
	event, err := scim.UserEvent(t.Caller, name, t.User.ID, detail)
	if err != nil {
		return err
	}
	event.Outcome, event.Reason = audit.Refused, detail.Limit
	if err := s.cfg.Audit.Append(context.WithoutCancel(ctx), event); err != nil {
		return errors.Join(errRecord, err)
	}
	return answer
}

var errRecord = errors.New("record refusal")
