// Package password hashes and checks passwords: argon2id in PHC string form,
// an optional pepper, and a bound on the work that runs at once. It owns the
// length rules and the form of stored hashes; it leaves rows, throttling and
// the question whose password it is to its callers.
//
// A password is text. It is brought into Unicode form NFC before it is
// measured and hashed, so that the same password typed on two keyboards is the
// same, and each code point then counts as one character (NIST SP 800-63B-4
// section 3.1.1.2). Nothing else is changed: blanks and case count. A password
// that is too long is refused and never cut. A new one must not be among those
// that attackers try first: see [Blocklist]. There is no other rule of content.
//
//	text --NFC--> characters --[HMAC-SHA-256, pepper]--> argon2id --> PHC string
package password
