// Package delivery carries one-time codes to people: by e-mail through any
// SMTP gateway, by SMS and by voice through Twilio's HTTP interface. It owns
// what a destination is (mailboxes, E.164 numbers, the numbers that are never
// called), how a code looks, the templates and their languages, the rules for
// texts that a client chooses, and what providers report about a message.
// It knows neither users nor challenges nor limits: its caller counts sends
// (validation/throttle, which also stops countries whose codes do not come
// back) and keeps the challenge.
//
//	Message ─> Providers ─ country and number rules ─> SMTP gateway
//	   code in clear,        templates, language           ├> Twilio Messages, Calls
//	   only here                                            └> development inbox
//	Twilio ─ signed call-back ─> StatusHandler ─> StatusStore
//
// A [Code] exists in clear in the message alone, and in the development inbox,
// which takes the place of a channel that has no provider while the issuer is
// a loopback host, and is absent otherwise.
//
// Every Sender tells three failures apart, since the caller must know whether
// the person may have received the code: [ErrRefused] (this destination, for
// good), [ErrUnavailable] (nothing was sent), [ErrUnknown] (it may have been
// sent).
package delivery
