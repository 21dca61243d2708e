package password

import (
	"context"
	"errors"
	"testing"
)

// TestDeriveTakesASlot: security.md section 3.1, all computations are bounded
// together.
func TestDeriveTakesASlot(t *testing.T) {
	t.Parallel()
	h, err := New(Config{Slots: 1})
	if err != nil {
		t.Fatal(err)
	}
	salt, err := h.NewSalt()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.slots <- struct{}{} // somebody else computes
	if _, err := h.Derive(ctx, salt, "text"); !errors.Is(err, context.Canceled) {
		t.Errorf("Derive without a slot: %v", err)
	}
	<-h.slots
	if _, err := h.Derive(t.Context(), salt, "text"); err != nil {
		t.Errorf("Derive with a slot: %v", err)
	}
}
