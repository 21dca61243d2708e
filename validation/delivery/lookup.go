package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// lookupAnswer is what is read of Twilio's Lookup v2.
type lookupAnswer struct {
	Valid    bool `json:"valid"`
	LineType *struct {
		Type string `json:"type"`
	} `json:"line_type_intelligence"`
	Pumping *struct {
		Blocked bool `json:"number_blocked"`
		Score   *int `json:"sms_pumping_risk_score"`
	} `json:"sms_pumping_risk"`
}

// lookup asks for line type and pumping risk before the first message to a
// number. While it cannot be asked nothing is sent: the numbers that it would
// refuse cost more than a delay.
func (g *twilioGateway) lookup(ctx context.Context, m Message) error {
	if !g.cfg.Lookup {
		return nil
	}
	if g.status != nil && len(m.DestHash) > 0 {
		first, err := g.status.FirstSend(ctx, m.DestHash)
		if err != nil {
			return fmt.Errorf("%w: read deliveries: %w", ErrUnavailable, err)
		}
		if !first {
			return nil
		}
	}
	endpoint := g.cfg.LookupURL + "/v2/PhoneNumbers/" + url.PathEscape(m.To) +
		"?Fields=" + url.QueryEscape("line_type_intelligence,sms_pumping_risk")
	raw, status, err := g.roundTrip(ctx, http.MethodGet, endpoint, nil, m)
	if err != nil {
		// Whatever became of the question, no message was sent.
		return fmt.Errorf("%w: look up number: %s", ErrUnavailable, err.Error())
	}
	if status == http.StatusNotFound {
		return fmt.Errorf("%w: Twilio knows no such number", ErrRefused)
	}
	if status != http.StatusOK {
		return fmt.Errorf("%w: Twilio's look-up answered %d", ErrUnavailable, status)
	}
	var answer lookupAnswer
	if err := json.Unmarshal(raw, &answer); err != nil {
		return fmt.Errorf("%w: Twilio's look-up answered something that is no JSON", ErrUnavailable)
	}
	return g.judge(answer)
}

// judge applies the rules of the channel to what Twilio knows of a number.
func (g *twilioGateway) judge(a lookupAnswer) error {
	if !a.Valid {
		return fmt.Errorf("%w: Twilio says that the number is not valid", ErrRefused)
	}
	if a.LineType != nil {
		kind := strings.ToLower(a.LineType.Type)
		if slices.Contains([]string{"premium", "sharedcost", "uan", "voicemail", "pager", "personal"}, kind) ||
			kind == "landline" && g.channel == SMS {
			return fmt.Errorf("%w: the line type is %s", ErrRefused, kind)
		}
	}
	if a.Pumping != nil && (a.Pumping.Blocked || a.Pumping.Score != nil && *a.Pumping.Score > g.cfg.MaxRisk) {
		return fmt.Errorf("%w: the risk of pumping is too high", ErrRefused)
	}
	return nil
}
