package web

import (
	"net/http"
	"strconv"

	"github.com/ccojocar/zxcvbn-go"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
)

// Passwords are the rules of new passwords, the same that are enforced.
type Passwords interface {
	Rules() validation.PasswordRules
	// Judge tells which rules a text breaks.
	Judge(text string, user schema.Object) (validation.PasswordFaults, error)
}

// meterPath is where the script of the pages asks about a password that is being
// typed.
const meterPath = "/password-meter"

// estimated is how much of a password the estimate looks at, in bytes: its work
// grows faster than the text.
const estimated = 64

// maxMeterForm bounds a question, in bytes.
const maxMeterForm = 16 << 10

// scores of the estimate: 0 is found at once, 4 is not found.
const topScore = 4

// meterReply is what the script shows: whether the server takes the password,
// and advice.
type meterReply struct {
	OK    bool   `json:"ok"`
	Score int    `json:"score"` // 0 to 4, an estimate that decides nothing
	Text  string `json:"text"`
}

// Meter is the path of the meter for templates; "" without one.
func (v view) Meter() string {
	if v.web.cfg.Passwords == nil {
		return ""
	}
	return v.web.at(meterPath)
}

// meter judges a password that is being typed by the rules that will be
// enforced, and adds an estimate. Nothing is kept.
func (w *Web) meter(r *request) error {
	if r.stranger {
		return refuse(http.StatusForbidden, "error.form", nil)
	}
	form, err := r.form(maxMeterForm)
	if err != nil {
		return err
	}
	text, user := form.Get("password"), schema.Object{"userName": form.Get("username")}
	faults, err := w.cfg.Passwords.Judge(text, user)
	if err != nil {
		return err
	}
	v, rules := view{Lang: r.lang, Look: w.look, web: w}, w.cfg.Passwords.Rules()
	reply := meterReply{OK: faults == validation.PasswordFaults{}}
	switch {
	case faults.Length:
		reply.Text = v.T("recover.refused_password_rules_length", "min", strconv.Itoa(rules.MinLength), "max", strconv.Itoa(rules.MaxLength))
	case faults.Listed:
		reply.Text = v.T("recover.refused_password_rules")
	default:
		reply.Score = score(text, form.Get("username"))
		reply.Text = v.T("meter.score_" + strconv.Itoa(reply.Score))
	}
	return r.echo.JSON(http.StatusOK, reply)
}

func score(text, userName string) int {
	if len(text) > estimated {
		return topScore
	}
	return min(max(zxcvbn.PasswordStrength(text, []string{userName}).Score, 0), topScore)
}

func (w *Web) registerMeter(e *echo.Echo) {
	if w.cfg.Passwords != nil {
		e.POST(meterPath, w.handle(w.meter))
	}
}
