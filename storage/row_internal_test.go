package storage

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnpackColumns(t *testing.T) {
	t.Parallel()
	var text, empty string
	var n, negative int64
	var raw, none []byte
	into := []any{&text, &n, &raw, &empty, &negative, &none}
	if err := unpackColumns([]byte("5 2 4 0 2 0 h éx4200ff-7"), into); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"h éx", int64(42), []byte{0, 255}, "", int64(-7), []byte(nil)}, []any{text, n, raw, empty, negative, none}); diff != "" {
		t.Errorf("unpacked (-want +got):\n%s", diff)
	}
	for name, packed := range map[string]string{
		"nothing": "", "short": "9 0 0 0 0 0 x", "long": "1 1 0 0 1 0 x42rest", "no number": "1 1 0 0 1 0 xyz",
		"no hex": "0 1 2 0 1 0 1zz1", "too few": "1 1 ", "negative length": "-1 1 0 0 1 0 x42",
	} {
		if err := unpackColumns([]byte(packed), into); !errors.Is(err, errPacked) {
			t.Errorf("%s: %v, want errPacked", name, err)
		}
	}
	if err := unpackColumns([]byte("1 x"), []any{new(bool)}); !errors.Is(err, errPacked) {
		t.Errorf("a place of another type: %v", err)
	}
}

func FuzzUnpackColumns(f *testing.F) {
	f.Add([]byte("5 2 4 h éx4200ff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var text string
		var n int64
		var raw []byte
		if err := unpackColumns(b, []any{&text, &n, &raw}); err != nil && !errors.Is(err, errPacked) {
			t.Errorf("unpack %q: %v", b, err)
		}
	})
}
