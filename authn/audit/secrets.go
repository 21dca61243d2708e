package audit

// Events of recovery codes, and of changes that administrators make to the
// factors of users.
const (
	// RecoveryCodesGenerated: a new set was made. Detail: count.
	RecoveryCodesGenerated Name = "recovery.codes_generated"
	// RecoveryCodeUsed: a code was used. Detail: left.
	RecoveryCodeUsed Name = "recovery.code_used"
	// FactorResetByAdmin: a command removed factors of a user. Detail: methods,
	// reason.
	FactorResetByAdmin Name = "factor.reset_by_admin"
	// CredentialsImported: credentials of another system were taken over. Detail:
	// kinds, confirmed_by.
	CredentialsImported Name = "credentials.imported"
)
