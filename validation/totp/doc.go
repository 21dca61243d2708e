// Package totp makes and checks the codes of authenticator apps (RFC 6238). It
// walks the steps of the window itself and says which one matched, so that the
// store can make each step count once: RFC 6238 section 5.2 demands that a code
// is not accepted a second time.
//
// What it leaves to others: attempts and closures (packages challenge and
// throttle), and showing the key URI as a picture.
package totp
