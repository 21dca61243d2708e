package seal_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sallyport-id/sallyport/storage/seal"
)

func writeKey(t *testing.T, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte("a:"+hexKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestLoadFileModes: others must not read the key, nobody but the owner may
// write it.
func TestLoadFileModes(t *testing.T) {
	t.Parallel()
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o640: true, 0o440: true,
		0o644: false, 0o604: false, 0o660: false, 0o620: false, 0o602: false, 0o666: false,
	} {
		_, err := seal.LoadFile(writeKey(t, mode))
		if (err == nil) != ok {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %04o: the error names no way out: %v", mode, err)
		}
	}
}

func TestLoadFileFaults(t *testing.T) {
	t.Parallel()
	if _, err := seal.LoadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	path := writeKey(t, 0o600)
	for name, text := range map[string]string{"empty": "", "broken": "a:secret-text", "huge": strings.Repeat("x", 1<<17)} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := seal.LoadFile(path); err == nil || strings.Contains(err.Error(), "secret-text") {
			t.Errorf("%s file: %v", name, err)
		}
	}
}

func TestCreateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sub", "master.key")
	created, err := seal.CreateFile(path)
	if err != nil {
		t.Fatalf("CreateFile: %v", err)
	}
	loaded, err := seal.LoadFile(path)
	if err != nil || loaded.First() != created.First() {
		t.Errorf("LoadFile = %v, %v", loaded.Kids(), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := seal.CreateFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second CreateFile = %v, want ErrExist", err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

// TestLoadOrCreateFileTogether: all processes end with one key.
func TestLoadOrCreateFileTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "master.key")
	const n = 8
	kids, news := make([]string, n), make([]bool, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			r, created, err := seal.LoadOrCreateFile(path)
			if err != nil {
				t.Errorf("LoadOrCreateFile: %v", err)
			}
			kids[i], news[i] = r.First(), created
		})
	}
	wg.Wait()
	made := 0
	for i := range n {
		if kids[i] != kids[0] {
			t.Errorf("process %d has key %s, the first %s", i, kids[i], kids[0])
		}
		if news[i] {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d processes made a key", made)
	}
}

// TestRotateFile puts a new key before the old one.
func TestRotateFile(t *testing.T) {
	t.Parallel()
	path := writeKey(t, 0o640)
	r, err := seal.RotateFile(path)
	if err != nil {
		t.Fatalf("RotateFile: %v", err)
	}
	loaded, err := seal.LoadFile(path)
	if err != nil || loaded.Len() != 2 || loaded.First() != r.First() || loaded.Kids()[1] != "a" {
		t.Errorf("keys after rotation = %v, %v", loaded.Kids(), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode after rotation = %v, %v", info.Mode(), err)
	}
	at := seal.Place{Table: "t", Column: "c", Row: "r"}
	kid, sealed, err := ring(t, "a:"+hexKey).Seal(at, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := loaded.Open(at, kid, sealed); err != nil {
		t.Errorf("the old key opens no more: %v", err)
	}
	r, err = seal.DropFromFile(path, "a")
	if err != nil || r.Len() != 1 || r.Has("a") {
		t.Errorf("DropFromFile = %v, %v", r.Kids(), err)
	}
	if _, err := seal.DropFromFile(path, "a"); !errors.Is(err, seal.ErrUnknownKid) {
		t.Errorf("second DropFromFile = %v, want ErrUnknownKid", err)
	}
	if _, err := seal.DropFromFile(path, r.First()); err == nil {
		t.Error("the only key was dropped")
	}
}

func TestFromCommand(t *testing.T) {
	t.Parallel()
	path := writeKey(t, 0o600)
	r, err := seal.FromCommand(t.Context(), []string{"cat", path})
	if err != nil || r.First() != "a" {
		t.Errorf("FromCommand = %v, %v", r.Kids(), err)
	}
	// No shell: the argument is one word, whatever is in it.
	if _, err := seal.FromCommand(t.Context(), []string{"echo", "$(cat " + path + ")"}); err == nil {
		t.Error("the argument went through a shell")
	}
	for name, argv := range map[string][]string{
		"none": nil, "no such program": {"/no/such/program"}, "fails": {"cat", path + ".none"}, "prints no key": {"echo", "secret-text"},
	} {
		if _, err := seal.FromCommand(t.Context(), argv); err == nil || strings.Contains(err.Error(), "secret-text") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
