package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
)

// userCodeField is the parameter of a user code (RFC 8628 section 3.3.1).
const userCodeField = "user_code"

// maxUserCode bounds what is shown again of a user code.
const maxUserCode = 32

// deviceBody is the page that asks for the code of a device.
type deviceBody struct{ UserCode string }

// device shows where to enter the code of a device. A code in the address only
// fills the field: the person compares and confirms it (RFC 8628 section 5.4).
func (w *Web) device(r *request) error {
	return w.deviceForm(r, http.StatusOK, r.echo.QueryParam(userCodeField), nil)
}

func (w *Web) deviceForm(r *request, status int, code string, f *fault) error {
	r.keepBrowser()
	if len(code) > maxUserCode {
		code = ""
	}
	return r.render(status, pageDevice, view{
		Title: "device.title", CSRF: w.key.token(txnDevice, pageDevice, r.v.Browser), Fault: f,
		Body: deviceBody{UserCode: code},
	})
}

// deviceCode takes the code of a device and goes on with its transaction.
func (w *Web) deviceCode(r *request) error {
	form, err := r.form(maxForm)
	if err != nil {
		return err
	}
	if !w.key.valid(form.Get(csrfField), txnDevice, r.v.Browser, pageDevice) {
		return &refusal{status: http.StatusForbidden, text: "error.form", again: w.at("/device")}
	}
	code := strings.TrimSpace(form.Get(userCodeField))
	if code == "" {
		return w.deviceRefused(r, code, &authn.Refusal{Reason: authn.Missing})
	}
	t, err := w.cfg.Provider.DeviceBegin(r.ctx(), r.v, code)
	if refusal, ok := errors.AsType[*authn.Refusal](err); ok {
		return w.deviceRefused(r, code, refusal)
	}
	if err != nil {
		return fmt.Errorf("begin device login: %w", err)
	}
	return r.to(w.loginPath(t.ID))
}

func (w *Web) deviceRefused(r *request, code string, why *authn.Refusal) error {
	v := view{Lang: r.lang, Look: w.look, web: w}
	r.retryAfter(why.RetryAfter)
	f := &fault{Field: userCodeField}
	switch why.Reason {
	case authn.Missing:
		f.Text = v.T("missing.user_code")
	case authn.FactorLocked, authn.SendLimited:
		f.Text = v.T("device.locked", "wait", v.Wait(why.RetryAfter))
	case authn.Busy:
		f.Text = v.T("refusal.busy")
	default:
		f.Text = v.T("device.wrong")
	}
	return w.deviceForm(r, statusOf(why), code, f)
}
