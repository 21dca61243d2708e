package delivery

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// The example of Twilio's documentation of request validation: URL, parameters
// and token as printed there.
func TestSignatureOfTwiliosExample(t *testing.T) {
	t.Parallel()
	form := url.Values{
		"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"},
	}
	got := base64.StdEncoding.EncodeToString(signature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", form))
	if want := "RSOYDt4T1cUTdK1PDd93/VVr8B8="; got != want {
		t.Errorf("signature = %s, want %s", got, want)
	}
}

// Any body and signature: an answer, no panic, and nothing is read unsigned.
func FuzzCallback(f *testing.F) {
	f.Add("MessageSid=SM1&MessageStatus=delivered", "c2ln", "application/x-www-form-urlencoded")
	f.Add("a=%zz&b", "", "text/plain; q=\x00")
	f.Add(strings.Repeat("a=b&", 100), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "application/x-www-form-urlencoded; charset=utf-8")
	account := &TwilioConfig{AccountSID: "AC1", AuthToken: "t", From: "+15125550199", CallbackURL: "https://id.example.com" + CallbackPath}
	p, err := New(Config{Service: "x", Providers: []ProviderConfig{{Name: "T", Channel: SMS, Twilio: account}}})
	if err != nil {
		f.Fatal(err)
	}
	e := echo.New()
	NewStatusHandler(p).Register(e)
	f.Fuzz(func(t *testing.T, body, given, contentType string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, CallbackPath+"?provider=T", strings.NewReader(body))
		req.Header["Content-Type"], req.Header["X-Twilio-Signature"] = []string{contentType}, []string{given}
		rec := httptest.NewRecorder()
		e.ServeHTTP(rec, req)
		form, err := url.ParseQuery(body)
		signed := err == nil && given == base64.StdEncoding.EncodeToString(signature("t", account.CallbackURL+"?provider=T", form))
		if rec.Code == http.StatusNoContent && !signed || rec.Code >= 500 {
			t.Errorf("body %q with signature %q = %d", body, given, rec.Code)
		}
	})
}
