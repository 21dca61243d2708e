package twiliofake

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Twilio signs with HMAC-SHA1
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Behaviour is what becomes of a message to a number.
type Behaviour int

// The behaviours.
const (
	Deliver      Behaviour = iota // accepted, then delivered or completed
	Undeliver                     // accepted, then undelivered or no-answer
	Fail                          // accepted, then failed
	Pumping                       // accepted, then undelivered with 30450
	TooMany                       // 429, code 20429
	Down                          // 500
	BadGateway                    // 502 with HTML, as a proxy answers
	Hang                          // read and never answered
	Drop                          // the connection ends without an answer
	NotANumber                    // 400, code 21211
	NoPermit                      // 400, code 21408: country not permitted
	Unsubscribed                  // 400, code 21610
	NoJSON                        // 201 with something that is no JSON
	WrongSender                   // 400, code 21606: about the account, not the number
)

// Line is what Lookup knows of a number. The zero value is a valid mobile
// without risk.
type Line struct {
	Type    string // "" is "mobile"
	Invalid bool
	Unknown bool // 404
	Down    bool // 503
	Blocked bool // number_blocked
	Risk    int  // sms_pumping_risk_score
}

// Number is a number of the fake.
type Number struct {
	Behaviour Behaviour
	Line      Line
	// Price in US dollars of one message; dearer than its MaxPrice it fails with
	// code 30010.
	Price float64
}

// Message is a message or call that was accepted.
type Message struct {
	SID    string
	Call   bool
	Form   url.Values // as it was sent
	Status string
	Code   int // error code of the end
}

// Server is the fake. Close it.
type Server struct {
	URL        string
	AccountSID string
	AuthToken  string

	http    *httptest.Server
	closing chan struct{}
	mu      sync.Mutex
	numbers map[string]Number
	sent    []Message
	lookups []string
	asked   int
}

// New starts a fake with one account.
func New(accountSID, authToken string) *Server {
	s := &Server{
		AccountSID: accountSID, AuthToken: authToken, closing: make(chan struct{}), numbers: map[string]Number{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Messages.json", s.create)
	mux.HandleFunc("POST /2010-04-01/Accounts/{account}/Calls.json", s.create)
	mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Messages/{sid}", s.fetch)
	mux.HandleFunc("GET /2010-04-01/Accounts/{account}/Calls/{sid}", s.fetch)
	mux.HandleFunc("GET /v2/PhoneNumbers/{number}", s.lookup)
	s.http = httptest.NewServer(mux)
	s.URL = s.http.URL
	return s
}

// Close ends the fake and all requests that hang.
func (s *Server) Close() {
	close(s.closing)
	s.http.Close()
}

// Set says how a number behaves from now on.
func (s *Server) Set(number string, n Number) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[number] = n
}

// Messages returns what was accepted, oldest first.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

// Lookups returns the numbers that were looked up, oldest first.
func (s *Server) Lookups() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lookups)
}

// Requests counts the requests that asked for a message or call.
func (s *Server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// create answers a request for a message or a call.
func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	if err := r.ParseForm(); err != nil {
		fault(w, http.StatusBadRequest, 20001, "The form cannot be read")
		return
	}
	call := strings.HasSuffix(r.URL.Path, "/Calls.json")
	if missing := missing(r.PostForm, call); missing != "" {
		fault(w, http.StatusBadRequest, 21604, "A required parameter is missing: "+missing)
		return
	}
	s.mu.Lock()
	s.asked++
	n := s.numbers[r.PostForm.Get("To")]
	s.mu.Unlock()
	if !s.misbehave(w, r, n.Behaviour) {
		s.accept(w, r.PostForm, call)
	}
}

func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	user, password, _ := r.BasicAuth()
	if user != s.AccountSID || password != s.AuthToken || r.PathValue("account") != s.AccountSID {
		fault(w, http.StatusUnauthorized, 20003, "Authenticate")
		return false
	}
	return true
}

func missing(form url.Values, call bool) string {
	required := []string{"To", "Body"}
	if call {
		required = []string{"To", "From", "Twiml"}
	}
	for _, name := range required {
		if form.Get(name) == "" {
			return name
		}
	}
	if form.Get("From") == "" && form.Get("MessagingServiceSid") == "" {
		return "From"
	}
	return ""
}

// misbehave answers for a number that accepts nothing; false if it accepts.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, b Behaviour) bool {
	to := r.PostForm.Get("To")
	switch b {
	case TooMany:
		fault(w, http.StatusTooManyRequests, 20429, "Too Many Requests")
	case Down:
		fault(w, http.StatusInternalServerError, 20500, "Internal Server Error")
	case BadGateway:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>Bad Gateway</html>")
	case Hang:
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
	case Drop:
		panic(http.ErrAbortHandler)
	case NotANumber:
		fault(w, http.StatusBadRequest, 21211, "The 'To' number "+to+" is not a valid phone number.")
	case NoPermit:
		fault(w, http.StatusBadRequest, 21408, "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: "+to)
	case Unsubscribed:
		fault(w, http.StatusBadRequest, 21610, "Attempt to send to unsubscribed recipient")
	case NoJSON:
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "accepted")
	case WrongSender:
		fault(w, http.StatusBadRequest, 21606, "The 'From' phone number is not a valid, SMS-capable number")
	default:
		return false
	}
	return true
}

func (s *Server) accept(w http.ResponseWriter, form url.Values, call bool) {
	s.mu.Lock()
	m := Message{Form: form, Call: call, Status: "queued"}
	prefix := "SM"
	if call {
		prefix = "CA"
	}
	m.SID = fmt.Sprintf("%s%032x", prefix, len(s.sent)+1)
	s.sent = append(s.sent, m)
	s.mu.Unlock()
	writeJSON(w, http.StatusCreated, s.resource(m))
}

// resource is a message as the interface shows it.
func (s *Server) resource(m Message) map[string]any {
	out := map[string]any{
		"sid": m.SID, "account_sid": s.AccountSID, "status": m.Status, "to": m.Form.Get("To"), "from": m.Form.Get("From"),
		"error_code": nil, "api_version": "2010-04-01",
	}
	if m.Code != 0 {
		out["error_code"] = m.Code
	}
	if !m.Call {
		out["body"], out["messaging_service_sid"] = m.Form.Get("Body"), m.Form.Get("MessagingServiceSid")
	}
	return out
}

func (s *Server) fetch(w http.ResponseWriter, r *http.Request) {
	if !s.authorized(w, r) {
		return
	}
	sid := strings.TrimSuffix(r.PathValue("sid"), ".json")
	s.mu.Lock()
	i := slices.IndexFunc(s.sent, func(m Message) bool { return m.SID == sid })
	var m Message
	if i >= 0 {
		m = s.sent[i]
	}
	s.mu.Unlock()
	if i < 0 {
		fault(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	writeJSON(w, http.StatusOK, s.resource(m))
}

func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != s.AccountSID || password != s.AuthToken {
		fault(w, http.StatusUnauthorized, 20003, "Authenticate")
		return
	}
	number := r.PathValue("number")
	s.mu.Lock()
	s.lookups = append(s.lookups, number)
	line := s.numbers[number].Line
	s.mu.Unlock()
	switch {
	case line.Unknown:
		fault(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	case line.Down:
		fault(w, http.StatusServiceUnavailable, 20503, "Service Unavailable")
		return
	}
	out := map[string]any{
		"phone_number": number, "valid": !line.Invalid, "line_type_intelligence": nil, "sms_pumping_risk": nil,
		"url": s.URL + r.URL.Path,
	}
	fields := r.URL.Query().Get("Fields")
	if strings.Contains(fields, "line_type_intelligence") {
		kind := line.Type
		if kind == "" {
			kind = "mobile"
		}
		out["line_type_intelligence"] = map[string]any{"type": kind, "error_code": nil}
	}
	if strings.Contains(fields, "sms_pumping_risk") {
		out["sms_pumping_risk"] = map[string]any{
			"number_blocked": line.Blocked, "sms_pumping_risk_score": line.Risk, "carrier_risk_category": "low",
		}
	}
	writeJSON(w, http.StatusOK, out)
}

// Settle ends a message as its number behaves and, if the message asked for
// it, sends the status call-back. It returns the status of the call-back's
// answer, 0 without one.
func (s *Server) Settle(ctx context.Context, sid string) (int, error) {
	s.mu.Lock()
	i := slices.IndexFunc(s.sent, func(m Message) bool { return m.SID == sid })
	if i < 0 {
		s.mu.Unlock()
		return 0, errors.New("twiliofake: no such message")
	}
	m := &s.sent[i]
	m.Status, m.Code = end(s.numbers[m.Form.Get("To")], *m)
	settled := *m
	s.mu.Unlock()
	callback := settled.Form.Get("StatusCallback")
	if callback == "" {
		return 0, nil
	}
	return s.Callback(ctx, callback, s.CallbackForm(settled))
}

// end is the last status of a message and its error code.
func end(n Number, m Message) (string, int) {
	if limit, err := strconv.ParseFloat(m.Form.Get("MaxPrice"), 64); err == nil && n.Price > limit {
		return "failed", 30010
	}
	switch n.Behaviour {
	case Undeliver:
		if m.Call {
			return "no-answer", 0
		}
		return "undelivered", 30003
	case Fail:
		return "failed", 30008
	case Pumping:
		return "undelivered", 30450
	default:
		if m.Call {
			return "completed", 0
		}
		return "delivered", 0
	}
}

// CallbackForm is the body of the call-back about a message.
func (s *Server) CallbackForm(m Message) url.Values {
	name := "Message"
	if m.Call {
		name = "Call"
	}
	form := url.Values{
		name + "Sid": {m.SID}, name + "Status": {m.Status}, "AccountSid": {s.AccountSID},
		"To": {m.Form.Get("To")}, "From": {m.Form.Get("From")}, "ApiVersion": {"2010-04-01"},
	}
	if m.Code != 0 {
		form.Set("ErrorCode", strconv.Itoa(m.Code))
	}
	return form
}

// Callback posts a form with its signature and returns the answer's status.
func (s *Server) Callback(ctx context.Context, target string, form url.Values) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, fmt.Errorf("twiliofake: prepare call-back: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Twilio-Signature", s.Sign(target, form))
	resp, err := s.http.Client().Do(req)
	if err != nil {
		return 0, fmt.Errorf("twiliofake: call back: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, nil
}

// Sign is X-Twilio-Signature of a form posted to a URL.
func (s *Server) Sign(target string, form url.Values) string {
	mac := hmac.New(sha1.New, []byte(s.AuthToken))
	_, _ = io.WriteString(mac, target)
	for _, name := range slices.Sorted(maps.Keys(form)) {
		for _, value := range form[name] {
			_, _ = io.WriteString(mac, name+value)
		}
	}
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func fault(w http.ResponseWriter, status, code int, message string) {
	writeJSON(w, status, map[string]any{
		"code": code, "message": message, "status": status, "more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code),
	})
}

func writeJSON(w http.ResponseWriter, status int, v map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	_, _ = w.Write(raw)
}
