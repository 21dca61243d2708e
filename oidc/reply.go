package oidc

// Reply is what a browser gets from the authorization endpoint and from the
// last page of a transaction.
type Reply interface{ reply() }

// Redirect sends the browser to a registered URI with the parameters of the
// answer in its query, by 303 (RFC 9700 section 4.12).
type Redirect struct{ URL string }

// FormPost has the browser post the parameters (OAuth 2.0 Form Post Response
// Mode).
type FormPost struct {
	URI    string
	Params map[string]string
}

// Interact sends the browser to the pages of a transaction.
type Interact struct {
	Txn string
	// FormAction is the origin of the client, which the pages' form-action must
	// allow since browsers hold redirects after a POST against it.
	FormAction string
}

// Done ends on a page of ours: a device was approved or refused.
type Done struct{ Message string }

func (Redirect) reply() {}
func (FormPost) reply() {}
func (Interact) reply() {}
func (Done) reply()     {}

// PageError is an error that is shown on a page and never redirected: unknown
// client, unregistered redirect_uri (RFC 6749 section 4.1.2.1).
type PageError struct {
	Code        Code
	Description string
}

// Error implements error.
func (e *PageError) Error() string { return string(e.Code) + ": " + e.Description }
