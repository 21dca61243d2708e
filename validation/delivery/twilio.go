package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Where Twilio's interfaces are.
const (
	twilioAPI    = "https://api.twilio.com"
	twilioLookup = "https://lookups.twilio.com"
)

// longestAnswer bounds what is read of an answer.
const longestAnswer = 1 << 20

// TwilioConfig is a Twilio account and the number that sends.
type TwilioConfig struct {
	AccountSID string
	AuthToken  Credential
	// From is a number in E.164 form, an alphanumeric sender or the SID of a
	// messaging service ("MG…"); calls need a number.
	From string
	// BaseURL and LookupURL replace Twilio's own. With BaseURL alone look-ups
	// go there too.
	BaseURL, LookupURL string
	// CallbackURL is the public URL of [StatusHandler]; empty: no call-backs.
	CallbackURL string
	// MaxPrice refuses a message that costs more, in US dollars; empty: "0.50".
	MaxPrice string
	// Lookup asks for line type and pumping risk before the first message to a
	// number; it costs money.
	Lookup bool
	// MaxRisk is the greatest sms_pumping_risk_score accepted, 0 to 100; 0
	// means 74, below which Twilio calls the risk mild.
	MaxRisk int
	// Client makes the requests; nil: one of its own, that follows no redirect.
	Client *http.Client
}

// twilioGateway hands messages to Twilio's Messages and Calls.
type twilioGateway struct {
	cfg     TwilioConfig
	name    string
	channel Channel
	status  StatusStore
	client  *http.Client
}

func newTwilio(cfg TwilioConfig, c ProviderConfig, all Config) (*twilioGateway, error) {
	if err := cfg.validate(c.Channel); err != nil {
		return nil, err
	}
	g := &twilioGateway{cfg: cfg, name: c.Name, channel: c.Channel, status: all.Status, client: cfg.Client}
	if g.client == nil {
		g.client = &http.Client{
			Transport:     http.DefaultTransport.(*http.Transport).Clone(), //nolint:forcetypeassert // it is one
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return g, nil
}

func (c *TwilioConfig) validate(ch Channel) error {
	if c.LookupURL == "" {
		c.LookupURL = c.BaseURL
	}
	c.BaseURL = orText(strings.TrimRight(c.BaseURL, "/"), twilioAPI)
	c.LookupURL = orText(strings.TrimRight(c.LookupURL, "/"), twilioLookup)
	c.MaxPrice = orText(c.MaxPrice, "0.50")
	if c.MaxRisk == 0 {
		c.MaxRisk = 74
	}
	if c.AccountSID == "" || c.AuthToken == "" {
		return errors.New("a Twilio account needs its SID and its auth token")
	}
	if strings.ContainsFunc(c.AccountSID, func(r rune) bool { return notAtext(r) || strings.ContainsRune("/?#%", r) }) {
		return errors.New("the account SID is the letters AC and 32 digits or letters")
	}
	if ch == Voice && !e164(c.From) {
		return errors.New("calls need a sending number in E.164 form, such as +15125550100")
	}
	if c.From == "" || strings.ContainsFunc(c.From, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("the sender must be a number in E.164 form, a name of letters and digits or a messaging service (MG…)")
	}
	if price, err := strconv.ParseFloat(c.MaxPrice, 64); err != nil || price <= 0 || price > 100 {
		return errors.New("the highest price must be a number of US dollars above 0, such as 0.50")
	}
	if c.MaxRisk < 0 || c.MaxRisk > 100 {
		return errors.New("the highest risk must be from 1 to 100")
	}
	return errors.Join(checkEndpoint(c.BaseURL), checkEndpoint(c.LookupURL))
}

// checkEndpoint demands https, but for a loopback host: the auth token goes
// with every request.
func checkEndpoint(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("the base URL must be https://HOST without user, query and fragment")
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !Loopback(u.Hostname())) {
		return errors.New("the base URL must begin with https:// (http:// only for a loopback host)")
	}
	return nil
}

func orText(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

func (g *twilioGateway) close() error {
	g.client.CloseIdleConnections()
	return nil
}

func (g *twilioGateway) deliver(ctx context.Context, m Message, c content) (Receipt, error) {
	if err := g.lookup(ctx, m); err != nil {
		return Receipt{}, err
	}
	path, form := "/Messages.json", g.messageForm(m, c)
	if g.channel == Voice {
		twiml, err := twiML(c)
		if err != nil {
			return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		path, form = "/Calls.json", g.callForm(m, twiml)
	}
	answer, err := g.post(ctx, g.cfg.BaseURL+"/2010-04-01/Accounts/"+g.cfg.AccountSID+path, form, m)
	if err != nil {
		return Receipt{}, err
	}
	return Receipt{ProviderID: answer.SID, Reply: scrub("accepted as "+answer.SID+", "+answer.Status, m)}, nil
}

// messageForm asks Twilio to throw the message away when the code is dead, to
// judge the risk and to keep to a price (security rule 2.4).
func (g *twilioGateway) messageForm(m Message, c content) url.Values {
	form := url.Values{
		"To": {m.To}, "Body": {c.text}, "MaxPrice": {g.cfg.MaxPrice}, "RiskCheck": {"enable"},
		"ValidityPeriod": {strconv.Itoa(validSeconds(m.Validity))},
	}
	sender := "From"
	if strings.HasPrefix(g.cfg.From, "MG") && len(g.cfg.From) == 34 {
		sender = "MessagingServiceSid"
	}
	form.Set(sender, g.cfg.From)
	if g.cfg.CallbackURL != "" {
		form.Set("StatusCallback", callbackURL(g.cfg.CallbackURL, g.name))
	}
	return form
}

// ringSeconds is how long a telephone rings before a call is given up.
const ringSeconds = 30

func (g *twilioGateway) callForm(m Message, twiml string) url.Values {
	form := url.Values{"To": {m.To}, "From": {g.cfg.From}, "Twiml": {twiml}, "Timeout": {strconv.Itoa(ringSeconds)}}
	if g.cfg.CallbackURL != "" {
		// Without StatusCallbackEvent Twilio reports the end of the call alone.
		form.Set("StatusCallback", callbackURL(g.cfg.CallbackURL, g.name))
	}
	return form
}

// validSeconds is the life of the code within Twilio's bounds, 1 to 36,000.
func validSeconds(d time.Duration) int { return min(max(int(d/time.Second), 1), 36000) }

// twilioAnswer is what is read of an accepted message or call, and of a fault.
type twilioAnswer struct {
	SID     string `json:"sid"`
	Status  any    `json:"status"` // text of a message, number of a fault
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// accepted is a twilioAnswer of success.
type accepted struct{ SID, Status string }

// post sends a form once. What it cannot know, whether a request that was
// written and not answered was carried out, is [ErrUnknown].
func (g *twilioGateway) post(ctx context.Context, endpoint string, form url.Values, m Message) (accepted, error) {
	status, answer, err := g.call(ctx, http.MethodPost, endpoint, form, m)
	if err != nil {
		return accepted{}, err
	}
	if status/100 == 2 {
		text, _ := answer.Status.(string)
		if answer.SID == "" {
			return accepted{}, fmt.Errorf("%w: Twilio answered %d without a message id", ErrUnknown, status)
		}
		return accepted{SID: answer.SID, Status: text}, nil
	}
	return accepted{}, fault(status, answer, m)
}

// call makes one request and reads the answer.
func (g *twilioGateway) call(ctx context.Context, method, endpoint string, form url.Values, m Message) (int, twilioAnswer, error) {
	var answer twilioAnswer
	raw, status, err := g.roundTrip(ctx, method, endpoint, form, m)
	if err != nil {
		return 0, answer, err
	}
	// A fault may come from a proxy in between, as HTML: its status speaks.
	if err := json.Unmarshal(raw, &answer); err != nil && status/100 == 2 {
		return 0, answer, fmt.Errorf("%w: Twilio answered %d with something that is no JSON", ErrUnknown, status)
	}
	return status, answer, nil
}

func (g *twilioGateway) roundTrip(ctx context.Context, method, endpoint string, form url.Values, m Message) ([]byte, int, error) {
	var written atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(traced, method, endpoint, body)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: prepare request to Twilio", ErrUnavailable)
	}
	req.SetBasicAuth(g.cfg.AccountSID, g.cfg.AuthToken.Reveal())
	req.Header.Set("Accept", "application/json")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := g.client.Do(req)
	if err == nil {
		defer func() { _ = resp.Body.Close() }()
		var raw []byte
		if raw, err = io.ReadAll(io.LimitReader(resp.Body, longestAnswer)); err == nil {
			return raw, resp.StatusCode, nil
		}
	}
	kind := ErrUnavailable
	if written.Load() {
		kind = ErrUnknown
	}
	// The error of the client shows the URL: what stands behind it is enough.
	if bare, ok := errors.AsType[*url.Error](err); ok {
		err = bare.Err
	}
	return nil, 0, fmt.Errorf("%w: ask Twilio: %w", kind, scrubError(err, m))
}

// refusals are Twilio's error codes that condemn the destination: not a
// number, not reachable from this sender, country not permitted, blocked by
// its owner, not a mobile, blocked for pumping.
func refusals() []int {
	return []int{
		13223, 13224, 13225, 21210, 21211, 21214, 21215, 21216, 21217, 21265, 21408, 21421, 21610, 21612, 21614, 21635,
		30004, 30005, 30006, 30450, 30453, 32203, 60033, 60203, 60205, 60410, 60605,
	}
}

// fault maps a refused request. 502 and 504 come from in between: what stood
// behind may have acted.
func fault(status int, answer twilioAnswer, m Message) error {
	kind := ErrUnavailable
	switch {
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		kind = ErrUnknown
	case status/100 == 4 && status != http.StatusTooManyRequests && slices.Contains(refusals(), answer.Code):
		kind = ErrRefused
	}
	return fmt.Errorf("%w: Twilio answered %d, code %d: %s", kind, status, answer.Code, scrub(answer.Message, m))
}
