package validation

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/challenge"
)

// unavailableRetry is what a client is asked to wait when a provider is down.
const unavailableRetry = 30 * time.Second

func invalidValue(detail string) *scim.Error {
	return scim.NewError(http.StatusBadRequest, scim.TypeInvalidValue, detail)
}

func wrongCode() *scim.Error { return invalidValue("The verification code is incorrect.") }

// stateInvalid is the one answer to whatever is wrong with a state itself.
func stateInvalid() *scim.Error {
	return invalidValue("The verification state is not valid. Start again.")
}

func stateExpired() *scim.Error {
	return invalidValue("The verification code has expired. Start again.")
}

func stateUsed() *scim.Error {
	return invalidValue("The verification code was already used. Start again.")
}

func stateSuperseded() *scim.Error {
	return invalidValue("A newer verification code was requested. Use that one.")
}

func accountChanged() *scim.Error {
	return invalidValue("The account changed since the code was requested. Start again.")
}

func nothingPending() *scim.Error {
	return invalidValue("No verification code is pending here. Start with POST.")
}

func required(member string) *scim.Error { return invalidValue(member + " is required.") }

func immutable(member string) *scim.Error {
	return scim.NewError(http.StatusBadRequest, scim.TypeMutability, member+" cannot be changed.")
}

func pathNotConfigured() *scim.Error {
	return scim.NewError(http.StatusBadRequest, scim.TypeInvalidPath, "attributePath is not configured for validation.")
}

func badEmail() *scim.Error { return invalidValue("attributeValue is not a valid e-mail address.") }

func badPhone() *scim.Error {
	return invalidValue("attributeValue is not a valid telephone number in E.164 form.")
}

func badPassword() *scim.Error {
	return invalidValue("The new password does not meet the requirements.")
}

func cannotReceive() *scim.Error {
	return invalidValue("attributeValue cannot receive a code.")
}

func providerUnknown() *scim.Error { return invalidValue("messagingProvider is not known.") }

func tooManyAttempts(wait time.Duration) *scim.Error {
	return scim.NewError(http.StatusTooManyRequests, "", "Too many attempts. Request a new code later.").
		WithRetryAfter(max(wait, time.Second))
}

func tooManyCodes(wait time.Duration) *scim.Error {
	return scim.NewError(http.StatusTooManyRequests, "", "Too many codes were requested. Try again later.").
		WithRetryAfter(max(wait, time.Second))
}

func notDelivered() *scim.Error {
	return scim.NewError(http.StatusServiceUnavailable, "", "The code could not be delivered. Try again later.").
		WithRetryAfter(unavailableRetry)
}

func notFound() *scim.Error {
	return scim.NewError(http.StatusNotFound, "", "Resource not found.")
}

func inactive() *scim.Error {
	return scim.NewError(http.StatusForbidden, "", "The user is not active.")
}

// missingScope is 403 of RFC 6750 section 3.1. The scope is no secret: it is
// named so that the administrator of the client can add it.
func missingScope(scope string) *scim.Error {
	e := scim.NewError(http.StatusForbidden, "", "The token does not permit this.")
	value := `Bearer realm="sallyport", error="insufficient_scope"`
	if scope != "" {
		value += fmt.Sprintf(`, scope="%s"`, scope)
	}
	return e.WithHeader("WWW-Authenticate", value)
}

// fromChallenge maps why a challenge takes no attempt; nil for other errors.
func fromChallenge(err error) *scim.Error {
	switch {
	case errors.Is(err, challenge.ErrUnknown):
		return stateInvalid()
	case errors.Is(err, challenge.ErrUsed):
		return stateUsed()
	case errors.Is(err, challenge.ErrSuperseded):
		return stateSuperseded()
	case errors.Is(err, challenge.ErrExpired):
		return stateExpired()
	}
	return nil
}
