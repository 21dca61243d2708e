// Package twiliofake is a small Twilio for tests: Messages, Calls and Lookup
// v2 at their HTTP interface, with the state that the real one keeps. A number
// behaves as the test says ([Server.Set]); [Server.Settle] ends a message as
// its number does and sends the signed status call-back. It owns no rule of
// Sallyport and imports nothing of ours.
package twiliofake
