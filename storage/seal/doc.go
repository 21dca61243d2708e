// Package seal encrypts single database columns under a ring of master keys
// and derives the keys of every other purpose from them.
//
// A sealed value is bound to its table, column and row: copied to another
// place it does not open. Its form is
//
//	version (1 byte) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//
// with AES-256-GCM under a key that HKDF-SHA-256 derives from one master key
// for that table. The id of the master key (kid) is stored beside it, in a
// column of its own, so that rows of an old key can be found and sealed anew.
//
// The first key of a [Ring] seals, all of them open. Rotation is: put a new
// key first on every node, seal all rows anew, drop the old key.
package seal
