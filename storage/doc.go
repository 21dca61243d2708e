// Package storage implements every Store interface of the floors below it on
// SQLite and on PostgreSQL. It is the only package that knows gorm and SQL.
//
// Reads use prepared SQL on the pool that gorm opened; changes run in
// [DB.InTx]. On PostgreSQL that is a transaction, repeated after a
// serialization failure or a deadlock. On SQLite one goroutine owns the only
// connection that writes:
//
//	InTx ─┐                         ┌─ SAVEPOINT, closure, RELEASE ─┐
//	InTx ─┼─ queue ─ BEGIN IMMEDIATE┼─ SAVEPOINT, closure, RELEASE ─┼─ COMMIT ─ answers
//	InTx ─┘                         └─ SAVEPOINT, closure, RELEASE ─┘
//
// so that all that waits shares one commit and one fsync, and a closure that
// fails takes nothing of its neighbours with it.
//
// A resource is its canonical JSON document beside the columns and value rows
// that find it. Group membership is rows. Text is compared bytewise on both
// databases. Times are microseconds since 1970 UTC. Secrets are sealed with
// storage/seal under the master key, never stored plain.
package storage
