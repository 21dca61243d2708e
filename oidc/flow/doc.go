// Package flow is the login as JSON, for first-party applications with login
// pages of their own and for native apps: the same engine and the same
// transactions as the pages of package web, in the wire form of the login API
// that clients of this server's model know (specification of the second factor,
// section 13).
//
//	application            this server                           login page of the application
//	GET /oauth/authorize ─▶ transaction
//	                        303 login_uri?flow=URI ────────────▶ GET  URI        what can be answered
//	                                                             PUT  location   the whole message, one answer
//	                                                             …               until success is true
//	                                                             GET  followUp   flow_uri | continue_redirect_uri | error
//	redirect_uri?code=… ◀── 303 ◀──────────────────────────────  open continue_redirect_uri
//
// A URI of a flow holds its sealed place: kind, transaction, application and the
// number of the message that is expected. Each message is taken once; what is
// older is refused, and a GET of it leads to the present one. The transaction
// belongs to one browser by its cookie, or to one app by the flow key that the
// app made and sends with every request; then the secrets of the session travel
// in the sealed place and no cookie is used.
//
// Cross-site requests cannot change a login: only JSON is read, scripts only of
// the origins that the application has registered may call with cookies, and a
// browser's PUT without an Origin is refused. The application is looked up for
// every request: when it is no longer first-party, its logins stop.
//
// What the person does wrong is answered with 200 and the failure in the member
// of the authenticator; what is wrong with the request itself is a SCIM error.
package flow
