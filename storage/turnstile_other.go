//go:build !unix || solaris || aix

package storage

import "os"

// Without flock every process begins when SQLite lets it.
func lockFile(*os.File) bool { return true }

func unlockFile(*os.File) {}
