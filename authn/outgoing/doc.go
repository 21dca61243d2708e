// Package outgoing makes HTTP clients for addresses that somebody else has
// chosen: of applications that are told of logouts, of providers elsewhere, of
// authenticators over HTTP. They reach no address inside the network whatever a
// name resolves to, follow no redirect to another host, and are bounded in time
// and size.
package outgoing
