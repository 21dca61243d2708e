package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// Permission bits that a key file must not have: others may not read it and
// nobody but the owner may write it. The group may read it.
const forbiddenMode fs.FileMode = 0o026

// LoadFile reads a ring from a file in the form of [ParseRing]. It refuses a
// file that others can read or that anyone but the owner can write.
func LoadFile(path string) (*Ring, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open key file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("inspect key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&forbiddenMode != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("key file %s has mode %04o: it must not be readable by others nor writable by anyone but its owner (chmod 600)", path, mode)
	}
	const most = 1 << 16 // no ring is longer
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	ring, err := ParseRing(string(text))
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return ring, nil
}

// CreateFile makes a new master key in a new file that only its owner can
// read. It never overwrites: [fs.ErrExist] if the file is there.
func CreateFile(path string) (*Ring, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make folder of key file: %w", err)
	}
	text := NewKeyText()
	// Written beside and linked into place, so that another process never
	// sees half a key.
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	if err := os.Link(f.Name(), path); err != nil {
		return nil, fmt.Errorf("create key file: %w", err)
	}
	return ParseRing(text)
}

// LoadOrCreateFile is LoadFile, or CreateFile when there is no file. Several
// processes may call it at once: all end with the key of the first.
func LoadOrCreateFile(path string) (ring *Ring, created bool, err error) {
	ring, err = LoadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, false, err
	}
	ring, err = CreateFile(path)
	if errors.Is(err, fs.ErrExist) {
		ring, err = LoadFile(path)
		return ring, false, err
	}
	return ring, err == nil, err
}

// FromCommand runs a program without a shell and reads the ring from its
// standard output, for key services. The error never repeats what it printed.
func FromCommand(ctx context.Context, argv []string) (*Ring, error) {
	if len(argv) == 0 {
		return nil, errors.New("key command is empty")
	}
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).Output() //nolint:gosec // the operator names the program
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return nil, fmt.Errorf("key command %s: %s", argv[0], exit.ProcessState)
		}
		return nil, fmt.Errorf("key command: %w", err)
	}
	ring, err := ParseRing(string(out))
	if err != nil {
		return nil, fmt.Errorf("output of key command %s: %w", argv[0], err)
	}
	return ring, nil
}
