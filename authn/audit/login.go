package audit

// Events of logins, sessions and passwords.
const (
	SessionStarted Name = "session.started"
	SessionEnded   Name = "session.ended"
	PasswordFailed Name = "password.failed"
	// AccountChanged is a change of what an administrator may set about an
	// account beside the user's document.
	AccountChanged Name = "account.changed"
)
