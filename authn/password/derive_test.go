package password_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/password"
)

func TestDeriveIsBoundToSaltTextAndPepper(t *testing.T) {
	t.Parallel()
	plain, err := password.New(password.Config{})
	if err != nil {
		t.Fatal(err)
	}
	peppered, err := password.New(password.Config{Peppers: []password.Pepper{{KID: "p1", Key: bytes.Repeat([]byte{7}, 32)}}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for name, h := range map[string]*password.Hasher{"plain": plain, "peppered": peppered} {
		salt, err := h.NewSalt()
		if err != nil || !strings.HasPrefix(salt, "$argon2id$v=19$m=19456,t=2,p=1") {
			t.Fatalf("%s: NewSalt = %q, %v", name, salt, err)
		}
		other, err := h.NewSalt()
		if err != nil || other == salt {
			t.Fatalf("%s: two salts are %q and %q, %v", name, salt, other, err)
		}
		for _, c := range []struct{ what, salt, text string }{
			{"text", salt, "ABCD"}, {"another text", salt, "ABCE"}, {"another salt", other, "ABCD"},
		} {
			out, err := h.Derive(t.Context(), c.salt, c.text)
			if err != nil || len(out) != 32 {
				t.Fatalf("%s, %s: %d bytes, %v", name, c.what, len(out), err)
			}
			if was := seen[string(out)]; was != "" {
				t.Errorf("%s, %s: the same as %s", name, c.what, was)
			}
			seen[string(out)] = name + ", " + c.what
			if again, err := h.Derive(t.Context(), c.salt, c.text); err != nil || !bytes.Equal(again, out) {
				t.Errorf("%s, %s: another result the second time, %v", name, c.what, err)
			}
		}
	}
}

func TestDeriveRefusesForeignSalts(t *testing.T) {
	t.Parallel()
	h, err := password.New(password.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, salt := range []string{
		"", "salt", "$argon2id$v=19$m=19456,t=2,p=1$", "$argon2id$v=19$m=99999999,t=2,p=1$c2FsdHNhbHRzYWx0",
		"$argon2id$v=19$m=19456,t=99,p=1$c2FsdHNhbHRzYWx0", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$dGFn",
		"$argon2d$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0",
	} {
		if _, err := h.Derive(t.Context(), salt, "text"); !errors.Is(err, password.ErrFormat) {
			t.Errorf("Derive under %q: %v, want ErrFormat", salt, err)
		}
	}
}
