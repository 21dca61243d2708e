package audit

// Events of logins, sessions and passwords.
const (
	// LoginSucceeded: a first factor was shown. Detail: factor, credential,
	// purpose, client.
	LoginSucceeded Name = "login.succeeded"
	// LoginRefused: a first factor was not accepted. Reason: bad_credentials,
	// inactive, wrong_user, no_user.
	LoginRefused Name = "login.refused"
	// LoginThrottled: a first factor was tried too early.
	LoginThrottled Name = "login.throttled"
	// LoginStepUp: a further factor was shown in a session.
	LoginStepUp Name = "login.step_up"
	// SessionRotated: a session got another secret.
	SessionRotated Name = "session.rotated"
	SessionStarted Name = "session.started"
	SessionEnded   Name = "session.ended"
	PasswordFailed Name = "password.failed"
	// AccountChanged is a change of what an administrator may set about an
	// account beside the user's document.
	AccountChanged Name = "account.changed"
)
