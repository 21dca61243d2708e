package audit

// Events of recovery, registration and invitations.
const (
	// PasswordResetRequested: a message by which a password can be set went out,
	// or an invitation.
	PasswordResetRequested Name = "password.reset_requested"
	PasswordResetCompleted Name = "password.reset_completed"
	// RecoveryRefused: a code, a link or a start that was not accepted.
	RecoveryRefused Name = "recovery.refused"
	// AccountRegistered: somebody made an account for themselves.
	AccountRegistered Name = "account.registered"
	// AccountVerified: the address of an account was proved.
	AccountVerified Name = "account.verified"
)
