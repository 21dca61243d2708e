// Package throttle holds every limit on sending codes and on trying them, and
// decides. Counters are rows that all nodes share and that advance by
// conditional statements; what they are keyed on is a canonical user id, or an
// HMAC of a normalised destination or address under a key that never rotates,
// never what was typed.
//
//	Limits    the numbers, with defaults and bounds
//	Sends     Take before a send, GiveBack when the provider was down
//	Factors   failed codes of one user and factor: closed, reopened
//	Passwords failed passwords: slower by address, never locked by strangers
//
// Like challenges, attempts are counted and committed before anything is
// compared; a success clears the count in the transaction of what it changes.
// A counter that cannot be written is an error, and the caller must refuse.
package throttle
