package web

// page is what a page is called in file names and form tokens.
type page string

// The pages.
const (
	pageLogin     page = "login"
	pageAccount   page = "account"
	pageFactor    page = "factor"
	pageCode      page = "code"
	pagePassword  page = "password"
	pageConsent   page = "consent"
	pageDevice    page = "device"
	pageDone      page = "done"
	pageLogout    page = "logout"
	pageLoggedOut page = "loggedout"
	pageFormPost  page = "formpost"
	pageError     page = "error"

	pageInlineEnrol page = "inlineenrol"

	pageOwnHome      page = "ownhome" // of the own account
	pageSecurity     page = "ownsecurity"
	pageCredential   page = "owncredential" //nolint:gosec // the name of a page
	pageOwnPassword  page = "ownpassword"
	pageEnrolApp     page = "ownapp"
	pageEnrolAddress page = "ownaddress"
	pageOwnSessions  page = "ownsessions"
	pageOwnSecond    page = "ownsecond"
	pageOwnRecovery  page = "ownrecovery"

	txnDevice = "device" // stands for the transaction in forms that have none
	txnLogout = "logout"
)

// pages returns every page that has a template.
func pages() []page {
	return append([]page{
		pageLogin, pageAccount, pageFactor, pageCode, pagePassword, pageConsent, pageDevice, pageDone, pageLogout,
		pageLoggedOut, pageFormPost, pageError, pageInlineEnrol, pageAway,
		pageOwnHome, pageSecurity, pageCredential, pageOwnPassword, pageEnrolApp, pageEnrolAddress, pageOwnSessions,
		pagePasskey, pageEnrolPasskey,
		pageOwnSecond, pageOwnRecovery,
	}, recoverPages()...)
}
