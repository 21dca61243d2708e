// Package storagetest holds one conformance suite per Store interface, to be
// run on every database, and what tests need to open a fresh one.
package storagetest
