package password_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/password"
)

// Check agrees with Hash about what is refused.
func TestCheckAgreesWithHash(t *testing.T) {
	t.Parallel()
	h, err := password.New(password.Config{MinLength: 8, MaxLength: 64})
	if err != nil {
		t.Fatal(err)
	}
	if least, most := h.Lengths(); least != 8 || most != 64 {
		t.Errorf("Lengths() = %d, %d, want 8, 64", least, most)
	}
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{"", false},
		{"short77", false},
		{"8 chars!", true},
		{"ünïcödë!", true},
		{strings.Repeat("x", 64), true},
		{strings.Repeat("x", 65), false},
		{"not utf8 \xff\xfe", false},
		{strings.Repeat("é", 64), true},
	} {
		check := h.Check(password.Of(c.text), nil)
		_, hash := h.Hash(t.Context(), password.Of(c.text), nil)
		if (check == nil) != c.ok || (hash == nil) != c.ok {
			t.Errorf("%q: Check = %v, Hash = %v, want accepted %v", c.text, check, hash, c.ok)
		}
		if check != nil && !errors.As(check, new(*password.LengthError)) && !errors.As(check, new(*password.TextError)) {
			t.Errorf("%q: Check = %T, want a LengthError or TextError", c.text, check)
		}
	}
}
