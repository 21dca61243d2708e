package audit

// Events of logins at providers elsewhere.
const (
	// FederationLinked, FederationUnlinked: an account there became, or is no more,
	// that of a user here. Detail: upstream, issuer, subject.
	FederationLinked   Name = "federation.linked"
	FederationUnlinked Name = "federation.unlinked"
	// FederationLoginRefused: a login there was not accepted. Reason: one of package
	// federated, or disabled, not_linked, wrong_user, inactive, taken, not_created,
	// other_browser.
	FederationLoginRefused Name = "federation.login_refused"
)
