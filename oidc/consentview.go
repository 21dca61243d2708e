package oidc

// ConsentView is what the consent page shows.
type ConsentView struct {
	Client Client
	Scopes []ConsentScope
	// Device tells that a device asks (RFC 8628), not the browser itself.
	Device bool
}

// ConsentScope is one scope that a client asks for.
type ConsentScope struct {
	Name string
	// Prompt and Description are of the operator; empty: the page has texts of its
	// own for the standard scopes, and shows the name of any other.
	Prompt, Description string
	// Required is granted with everything else and cannot be left out: openid.
	Required bool
	// Granted was given to this client before.
	Granted bool
	// LockedACR names what must be proved before the scope can be given; "": it
	// is open. Reachable tells that the user has what it takes.
	LockedACR string
	Reachable bool
}

// Messages of Done: what has become of a device.
const (
	DoneApproved = "approved"
	DoneDenied   = "denied"
)
