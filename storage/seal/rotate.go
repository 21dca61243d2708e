package seal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// RotateFile puts a new key in front of those of a key file and returns the
// new ring. The file is replaced in one step and keeps its mode. Every node
// must have the new file before one of them seals with it.
func RotateFile(path string) (*Ring, error) {
	old, err := LoadFile(path)
	if err != nil {
		return nil, err
	}
	added, err := ParseRing(NewKeyText())
	if err != nil {
		return nil, err
	}
	return replaceFile(path, append(added.keys, old.keys...))
}

// DropFromFile takes a key out of a key file, once nothing is sealed with it
// any more. ErrUnknownKid if it is not there; the only key cannot be dropped.
func DropFromFile(path, kid string) (*Ring, error) {
	old, err := LoadFile(path)
	if err != nil {
		return nil, err
	}
	if !old.Has(kid) {
		return nil, fmt.Errorf("key file %s: %w %q", path, ErrUnknownKid, kid)
	}
	if old.Len() == 1 {
		return nil, fmt.Errorf("key file %s: %q is its only key", path, kid)
	}
	var keep []masterKey
	for _, k := range old.keys {
		if k.kid != kid {
			keep = append(keep, k)
		}
	}
	return replaceFile(path, keep)
}

// replaceFile writes keys over a key file, by renaming a new file onto it.
func replaceFile(path string, keys []masterKey) (*Ring, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("inspect key file: %w", err)
	}
	var text strings.Builder
	for _, k := range keys {
		text.WriteString(k.text() + "\n")
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString(text.String())
	err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close())
	if err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, fmt.Errorf("write key file: %w", err)
	}
	return ParseRing(text.String())
}
