// Package passkey verifies passkeys: public key credentials of WebAuthn, made
// for this provider and held by a device or an account elsewhere
// (https://www.w3.org/TR/webauthn-3/). It makes the options of both ceremonies,
// judges the answers, and says what a proof is called in amr.
//
//	Begin…  -> options to the browser, Ceremony to whoever keeps it
//	answer  -> Login or Register, with the Ceremony
//
// A Ceremony answers once: whoever keeps it takes it away before the answer is
// judged. Who may log in, what a proof is worth and what is written down is for
// others to say; see packages authn and acr.
//
// Every passkey is discoverable and, unless the configuration says otherwise,
// verifies its user. The user handle is the id of the user, which is random in
// part and names nobody (section 14.6.1).
package passkey
