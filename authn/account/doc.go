// Package account is the life of an account before and beside logging in:
// forgotten passwords, forgotten user names, addresses to verify, invitations
// and self-registration. It knows neither pages nor JSON: a flow is data, a
// Step says what to ask for next, and each method takes one answer.
//
//	Start ──> AskCode ──(code)────────────┐
//	             │                        v
//	        message with a link       AskPassword ──> Done
//	             v                        ^
//	        OpenLink ──> AskConfirm ──────┘
//
// Steps are kept on the server and each is reached only from the one before.
// No step logs anybody in, and none takes the place of a second factor.
//
// Start does the same work and gives the same answer whoever is named: it
// stores the flow and queues a message. Who that is, and whether anything is
// sent, is found out afterwards by the worker (RunMessages), which claims rows
// so that of several nodes one sends. A flow about nobody waits for a code that
// nobody has, and counts wrong ones like any other.
//
// A link is opened by GET as often as mail scanners like; only Confirm, a POST,
// consumes it, and binds the flow to the browser that did.
package account
