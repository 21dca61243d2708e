package seal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// RotateFile puts a new key first in a key file and returns the new ring. The
// keys that were there stay behind it. The file is replaced in one step, with
// its mode kept, so that no reader sees half of it.
func RotateFile(path string) (*Ring, error) {
	if _, err := LoadFile(path); err != nil {
		return nil, err
	}
	old, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("inspect key file: %w", err)
	}
	text := NewKeyText() + "\n" + string(old)
	ring, err := ParseRing(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	return ring, nil
}
