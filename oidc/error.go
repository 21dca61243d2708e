package oidc

import "time"

// Code is an error code of OAuth 2.0, OpenID Connect and their extensions.
type Code string

// The codes.
const (
	InvalidRequest          Code = "invalid_request" // RFC 6749 section 4.1.2.1
	UnauthorizedClient      Code = "unauthorized_client"
	AccessDenied            Code = "access_denied"
	UnsupportedResponseType Code = "unsupported_response_type"
	InvalidScope            Code = "invalid_scope"
	ServerError             Code = "server_error"
	TemporarilyUnavailable  Code = "temporarily_unavailable"
	InvalidClient           Code = "invalid_client" // RFC 6749 section 5.2
	InvalidGrant            Code = "invalid_grant"
	UnsupportedGrantType    Code = "unsupported_grant_type"
	InteractionRequired     Code = "interaction_required" // OpenID Connect Core 1.0 section 3.1.2.6
	LoginRequired           Code = "login_required"
	AccountSelection        Code = "account_selection_required"
	ConsentRequired         Code = "consent_required"
	InvalidRequestURI       Code = "invalid_request_uri"
	InvalidRequestObject    Code = "invalid_request_object"
	RequestNotSupported     Code = "request_not_supported"
	RequestURINotSupported  Code = "request_uri_not_supported"
	RegistrationUnsupported Code = "registration_not_supported"
	// UnmetAuthentication is of OpenID Connect Core Error Code
	// unmet_authentication_requirements 1.0.
	UnmetAuthentication  Code = "unmet_authentication_requirements"
	InvalidToken         Code = "invalid_token" // RFC 6750 section 3.1
	InsufficientScope    Code = "insufficient_scope"
	InvalidTarget        Code = "invalid_target"        // RFC 8707 section 2
	InvalidDPoPProof     Code = "invalid_dpop_proof"    // RFC 9449 section 12.2
	UseDPoPNonce         Code = "use_dpop_nonce"        // RFC 9449 section 8
	AuthorizationPending Code = "authorization_pending" // RFC 8628 section 3.5
	SlowDown             Code = "slow_down"
	ExpiredToken         Code = "expired_token"
	InvalidRedirectURI   Code = "invalid_redirect_uri" // RFC 7591 section 3.2.2
	InvalidMetadata      Code = "invalid_client_metadata"
)

// Error is what a client may be told. Where it is written, in a redirect, in
// JSON or on a page, is the caller's business.
type Error struct {
	Code Code
	// Description is for the developer of the client; only characters of RFC 6749
	// section 5.2 pass.
	Description string
	// Status is the HTTP status of a JSON answer; 0: 400.
	Status int
	// RetryAfter is for answers that ask to wait; 0: none.
	RetryAfter time.Duration
	// Header are further headers of a JSON answer, such as WWW-Authenticate.
	Header map[string]string
	cause  error
}

// Error implements error.
func (e *Error) Error() string { return string(e.Code) + ": " + e.Description }

// Unwrap returns the cause, which the client is not told.
func (e *Error) Unwrap() error { return e.cause }

// Because attaches the cause.
func (e *Error) Because(err error) *Error { c := *e; c.cause = err; return &c }
