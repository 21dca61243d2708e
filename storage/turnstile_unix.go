//go:build unix && !solaris && !aix

package storage

import (
	"os"
	"syscall"
)

// lockFile tries to lock the file for this handle.
func lockFile(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}

func unlockFile(f *os.File) {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
}
