// Package recovery makes and judges recovery codes: a handful of random codes
// that a user keeps on paper for the day on which every other factor is lost.
// It owns the form of the codes and the comparison; it leaves rows to a [Store],
// the slow hash to a [Deriver], and counting of tries, audit and notices to its
// callers.
//
// All codes of a set have one salt (security.md section 3.1). They are random
// enough that a salt of their own would add nothing, and so a try costs one
// argon2id computation, which is compared with every code that is left.
//
//	answer --canonical form--> argon2id(salt of the set) --constant time--> codes left
//
// A right code is consumed by its number in the set, by an update that counts
// for one caller only.
package recovery
