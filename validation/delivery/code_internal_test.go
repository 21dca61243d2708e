package delivery

import "testing"

// No modulo bias: a byte beyond the last full multiple is thrown away.
func TestPickThrowsAwayTheRemainder(t *testing.T) {
	t.Parallel()
	bytes := []byte{250, 255, 251, 249}
	next := func() byte {
		b := bytes[0]
		bytes = bytes[1:]
		return b
	}
	if got := pick("0123456789", next); got != '9' || len(bytes) != 0 {
		t.Errorf("pick = %c with %d bytes left, want 9 of the byte 249", got, len(bytes))
	}
	counts := map[byte]int{}
	for b := range 250 {
		counts[pick("0123456789", func() byte { return byte(b) })]++
	}
	for c, n := range counts {
		if n != 25 {
			t.Errorf("%c comes from %d bytes, want 25", c, n)
		}
	}
}
