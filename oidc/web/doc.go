// Package web is what people see of the provider: the pages of a login, of
// consent, of devices and of logout, with their cookies, forms and style. What
// must be proved is decided by package authn, what is answered by package
// oidc; nothing here knows either.
//
//	/oauth/authorize ------> Redirect | FormPost | error page
//	      |
//	      +--> /login/{txn}  the dispatcher: shows the step that the engine
//	             ^    |      names, or gives the answer when it is done
//	             |    v
//	             +-- POST /login/{txn}/{action}: form token, one part, 303 back;
//	                 an answer that is refused shows the page again
//
// No step names the next one. A form is taken only from the page that offers
// it, for the transaction and from the browser that it was made for.
//
// Pages work without scripts; the one script file counts down, shows passwords
// and posts form_post answers. Nothing is loaded from another host: the logo
// of a client is shown only when it is a data: URL, since fetching it would
// tell a stranger who logs in where.
package web
