package audit

// Events about codes that were sent and given back. Detail: kind, path, jti,
// destination (masked), provider. Never the code, the state or the text.
const (
	// ChallengeSent: a code was handed to a provider; with outcome error, it was
	// not, or nobody knows.
	ChallengeSent Name = "challenge.sent"
	// ChallengeSendRefused: a limit on sends refused. Detail: limit.
	ChallengeSendRefused Name = "challenge.send_refused"
	ChallengeVerified    Name = "challenge.verified"
	ChallengeFailed      Name = "challenge.failed"
	// ChallengeExhausted: a code was tried after all tries were made, or while
	// the factor was closed.
	ChallengeExhausted Name = "challenge.exhausted"
	// ChallengeReplayed: a state came back after it had been used.
	ChallengeReplayed Name = "challenge.replayed"
)

// Events about factors. Detail as above.
const (
	FactorEnrolmentStarted Name = "factor.enrolment_started"
	FactorEnrolled         Name = "factor.enrolled"
	FactorReplaced         Name = "factor.replaced"
	FactorRemoved          Name = "factor.removed"
	FactorPaused           Name = "factor.paused"
	FactorDisabled         Name = "factor.disabled"
	// FactorChanged: its user renamed a credential, switched it off or on for
	// logins, or chose to be asked for it first. Detail: kind, credential, change.
	FactorChanged Name = "factor.changed"
	// AddressValidated: the user has proved to hold the address or number.
	AddressValidated Name = "address.validated"
	// NoticeDropped: a user was not told of a change, since the message could
	// not be sent for a day or its destination takes none. Detail: kind, of the
	// notice, and masked destination.
	NoticeDropped Name = "notice.dropped"
)
