// Package servertest runs a whole server in the process of a test, on SQLite
// or on a PostgreSQL schema of its own, behind a real listener. Tests of whole
// flows use it; nothing but tests may.
package servertest
