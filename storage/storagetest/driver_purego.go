//go:build !cgo

package storagetest

// sqliteDriver is the name that the driver in use registers.
const sqliteDriver = "sqlite"
