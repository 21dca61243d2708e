// Package demo is a small relying party that shows what an application sees of
// a login. It is a client like any other: discovery, the code flow with PKCE,
// state and nonce, and an ID token that is verified. It knows nothing of the
// server but its issuer and keeps what it has in memory.
//
//	/          what the ID token says, and three buttons
//	/login     log in; with factor=mfa: acr_values=MFA
//	/transfer  send money: acr_values=MFA and max_age=60, checked on return
//	/callback  the answer, in plain words when it is an error
//	/logout    RP-initiated logout
package demo
