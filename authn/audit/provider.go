package audit

// Events of the OpenID Connect provider.
const (
	TokenRefreshed Name = "token.refreshed"
	// TokenReuseDetected: a code or refresh token was used again, and everything
	// that came of it has been revoked.
	TokenReuseDetected Name = "token.reuse_detected" //nolint:gosec // the name of an event
	ConsentGranted     Name = "consent.granted"
	ConsentRevoked     Name = "consent.revoked"
	ClientCreated      Name = "client.created"
	ClientChanged      Name = "client.changed"
	ClientDeleted      Name = "client.deleted"
	// ClientRefused: a client could not prove who it is.
	ClientRefused  Name = "client.refused"
	ServiceCreated Name = "service.created"
	ServiceChanged Name = "service.changed"
	ServiceDeleted Name = "service.deleted"
)
