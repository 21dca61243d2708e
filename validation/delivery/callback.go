package delivery

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with HMAC-SHA1
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// CallbackPath is where the server mounts [StatusHandler] below the issuer.
const CallbackPath = "/delivery/twilio/status"

// longestCallback bounds the body of a call-back.
const longestCallback = 64 << 10

// callbackURL is the URL that a provider gives Twilio: it names the provider,
// whose token signs.
func callbackURL(base, provider string) string {
	return base + "?" + url.Values{"provider": {provider}}.Encode()
}

// StatusHandler takes Twilio's status call-backs. Only a body that the auth
// token of the named provider signed is read.
type StatusHandler struct {
	providers *Providers
	logger    *slog.Logger
}

// NewStatusHandler makes a handler of the call-backs for these providers.
func NewStatusHandler(p *Providers) *StatusHandler {
	return &StatusHandler{providers: p, logger: p.cfg.Logger}
}

// Register adds the route if some provider asks for call-backs.
func (h *StatusHandler) Register(e *echo.Echo) {
	for _, pr := range h.providers.list {
		if g, ok := pr.gateway.(*twilioGateway); ok && g.cfg.CallbackURL != "" {
			e.POST(CallbackPath, h.serve)
			return
		}
	}
}

// serve answers 204 when the status is kept or needs no keeping, and 403 to
// every body that is not Twilio's.
func (h *StatusHandler) serve(c echo.Context) error {
	form, err := readForm(c.Response(), c.Request())
	if err != nil {
		return err
	}
	name := c.QueryParam("provider")
	g := h.gateway(name)
	if g == nil || !g.signed(c.Request(), form) {
		return echo.NewHTTPError(http.StatusForbidden)
	}
	sid, status := statusOf(form)
	if status == "" || h.providers.cfg.Status == nil {
		return c.NoContent(http.StatusNoContent)
	}
	ctx := c.Request().Context()
	err = h.providers.cfg.Status.RecordStatus(ctx, name, sid, status)
	if errors.Is(err, ErrUnknownMessage) {
		// The call-back may overtake the record of the send, and test messages
		// of another installation share the account: nothing to repeat.
		h.logger.DebugContext(ctx, "call-back about an unknown message", "provider", name, "message", sid)
		return c.NoContent(http.StatusNoContent)
	}
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (h *StatusHandler) gateway(name string) *twilioGateway {
	pr, err := h.providers.Provider(name)
	if err != nil {
		return nil
	}
	g, ok := pr.gateway.(*twilioGateway)
	if !ok || g.cfg.CallbackURL == "" {
		return nil
	}
	return g
}

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/x-www-form-urlencoded" {
		return nil, echo.NewHTTPError(http.StatusUnsupportedMediaType)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestCallback))
	if err != nil {
		return nil, echo.NewHTTPError(http.StatusRequestEntityTooLarge)
	}
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, echo.NewHTTPError(http.StatusBadRequest)
	}
	return form, nil
}

// signed checks X-Twilio-Signature over the URL that was given to Twilio, not
// over what the request claims to have been sent to.
func (g *twilioGateway) signed(r *http.Request, form url.Values) bool {
	given, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Twilio-Signature"))
	if err != nil {
		return false
	}
	return hmac.Equal(given, signature(g.cfg.AuthToken, callbackURL(g.cfg.CallbackURL, g.name), form))
}

// signature is Twilio's: HMAC-SHA1 under the auth token over the URL and the
// parameters, sorted by name, each name followed by its value, repeated values
// sorted and once each.
func signature(token Credential, callback string, form url.Values) []byte {
	mac := hmac.New(sha1.New, []byte(token.Reveal()))
	_, _ = io.WriteString(mac, callback)
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		values := slices.Clone(form[name])
		slices.Sort(values)
		for _, value := range slices.Compact(values) {
			_, _ = io.WriteString(mac, name+value)
		}
	}
	return mac.Sum(nil)
}

// statusOf reads the message id and what became of it; "" for a status that
// says nothing new.
func statusOf(form url.Values) (sid string, s Status) {
	sid, text := form.Get("MessageSid"), form.Get("MessageStatus")
	if sid == "" {
		sid, text = form.Get("CallSid"), form.Get("CallStatus")
	}
	if sid == "" || len(sid) > 64 {
		return "", ""
	}
	switch strings.ToLower(text) {
	case "delivered", "read", "completed":
		return sid, Delivered
	case "undelivered", "busy", "no-answer":
		return sid, Undelivered
	case "failed", "canceled":
		return sid, Failed
	default:
		return sid, ""
	}
}
