package recovery_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/recovery"
)

// memory is a Store for one user.
type memory struct {
	mu   sync.Mutex
	set  recovery.Set
	sets int
}

func (m *memory) RecoverySet(_ context.Context, userID string) (recovery.Set, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.set.ID == "" || m.set.UserID != userID {
		return recovery.Set{}, recovery.ErrNoSet
	}
	return m.set, nil
}

func (m *memory) PutRecoverySet(_ context.Context, s recovery.Set) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets++
	s.ID = fmt.Sprint("set-", m.sets)
	m.set = s
	return s.ID, nil
}

func (m *memory) UseRecoveryCode(_ context.Context, userID, setID string, n int, _ time.Time) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var left []recovery.Hashed
	for _, h := range m.set.Left {
		if h.N != n {
			left = append(left, h)
		}
	}
	if m.set.UserID != userID || m.set.ID != setID || len(left) == len(m.set.Left) {
		return 0, recovery.ErrUsed
	}
	m.set.Left = left
	return len(left), nil
}

func (m *memory) DeleteRecoverySet(context.Context, string) (bool, error) {
	had := m.set.ID != ""
	m.set = recovery.Set{}
	return had, nil
}

// counting is a Deriver that counts its computations.
type counting struct {
	n   int
	err error
}

func (c *counting) NewSalt() (string, error) { return rand.Text(), nil }

func (c *counting) Derive(_ context.Context, salt, text string) ([]byte, error) {
	c.n++
	sum := sha256.Sum256([]byte(salt + text))
	return sum[:], c.err
}

func newCodes(count int) (*recovery.Codes, *memory, *counting) {
	store, deriver := &memory{}, &counting{}
	now := func() time.Time { return time.Date(2026, 11, 24, 12, 0, 0, 123456789, time.UTC) }
	return &recovery.Codes{Store: store, Deriver: deriver, Count: count, Rand: rand.Reader, Now: now}, store, deriver
}

// makeSet makes and stores a set of the user "ann".
func makeSet(t *testing.T, c *recovery.Codes) ([]string, string) {
	t.Helper()
	codes, put, err := c.Prepare(t.Context())
	if err != nil {
		t.Fatalf("Prepare: %v", err)
	}
	id, err := put(t.Context(), "ann")
	if err != nil {
		t.Fatalf("put: %v", err)
	}
	return codes, id
}

func TestTenCodesOf80Bits(t *testing.T) {
	t.Parallel()
	for given, want := range map[int]int{0: 10, 8: 8, 20: 20} {
		c, store, _ := newCodes(given)
		codes, id := makeSet(t, c)
		if len(codes) != want || len(store.set.Left) != want || store.set.ID != id {
			t.Fatalf("count %d: %d codes, %d stored, want %d", given, len(codes), len(store.set.Left), want)
		}
		if at := store.set.CreatedAt; at.Nanosecond()%1000 != 0 {
			t.Errorf("created at %v, want microseconds", at)
		}
		seen := map[string]bool{}
		for i, code := range codes {
			if plain := strings.ReplaceAll(code, "-", ""); len(plain) != recovery.CodeLength || len(code) != 19 || seen[plain] {
				t.Errorf("code %d has %d characters in %d, or is there twice", i, len(plain), len(code))
			}
			seen[code] = true
			if store.set.Left[i].N != i+1 || bytes.Contains(store.set.Left[i].Hash, []byte(code)) {
				t.Errorf("code %d is stored as %d", i, store.set.Left[i].N)
			}
		}
	}
}

// TestOneComputationPerTry: security.md section 3.1.
func TestOneComputationPerTry(t *testing.T) {
	t.Parallel()
	c, _, deriver := newCodes(0)
	codes, id := makeSet(t, c)
	for name, try := range map[string]struct {
		user, set, answer string
		right             bool
	}{
		"first":           {"ann", id, codes[0], true},
		"last":            {"ann", id, codes[9], true},
		"wrong":           {"ann", id, "AAAA-BBBB-CCCC-DDDD", false},
		"no code":         {"ann", id, "?", false},
		"empty":           {"ann", id, "", false},
		"one too short":   {"ann", id, codes[0][:18], false},
		"one too long":    {"ann", id, codes[0] + "A", false},
		"another set":     {"ann", "set-0", codes[0], false},
		"user without":    {"bob", id, codes[0], false},
		"user without, 2": {"bob", "", codes[0], false},
		"very long":       {"ann", id, strings.Repeat("A", 1<<16), false},
	} {
		deriver.n = 0
		match, right, err := c.Check(t.Context(), try.user, try.set, try.answer)
		if err != nil || right != try.right || right && match.SetID != id {
			t.Errorf("%s: Check = %v, %v, %v, want %v", name, match, right, err, try.right)
		}
		if deriver.n != 1 {
			t.Errorf("%s: %d computations, want 1", name, deriver.n)
		}
	}
}

func TestCodeWorksOnce(t *testing.T) {
	t.Parallel()
	c, _, _ := newCodes(0)
	codes, id := makeSet(t, c)
	match, right, err := c.Check(t.Context(), "ann", id, codes[4])
	if err != nil || !right || match.N != 5 {
		t.Fatalf("Check = %v, %v, %v", match, right, err)
	}
	for i, want := range []struct {
		left int
		err  error
	}{{9, nil}, {0, recovery.ErrUsed}} {
		if left, err := c.Use(t.Context(), "ann", match); left != want.left || !errors.Is(err, want.err) {
			t.Errorf("Use %d = %d, %v, want %d, %v", i, left, err, want.left, want.err)
		}
	}
	if _, right, err := c.Check(t.Context(), "ann", id, codes[4]); right || err != nil {
		t.Errorf("a used code: %v, %v", right, err)
	}
	if _, right, err := c.Check(t.Context(), "ann", id, codes[3]); !right || err != nil {
		t.Errorf("another code: %v, %v", right, err)
	}
}

func TestNewSetVoidsTheOldOne(t *testing.T) {
	t.Parallel()
	c, _, _ := newCodes(0)
	old, oldID := makeSet(t, c)
	fresh, id := makeSet(t, c)
	if _, right, _ := c.Check(t.Context(), "ann", oldID, old[0]); right {
		t.Error("a code of the old set is right for it")
	}
	if _, right, _ := c.Check(t.Context(), "ann", id, old[0]); right {
		t.Error("a code of the old set is right for the new one")
	}
	if _, right, _ := c.Check(t.Context(), "ann", id, fresh[0]); !right {
		t.Error("a code of the new set is wrong")
	}
}

func TestBusyIsPassedOn(t *testing.T) {
	t.Parallel()
	c, _, deriver := newCodes(0)
	codes, id := makeSet(t, c)
	deriver.err = errors.New("busy")
	if _, right, err := c.Check(t.Context(), "ann", id, codes[0]); right || !errors.Is(err, deriver.err) {
		t.Errorf("Check = %v, %v", right, err)
	}
	if _, _, err := c.Prepare(t.Context()); !errors.Is(err, deriver.err) {
		t.Errorf("Prepare: %v", err)
	}
}

// TestParseReadsPaper: what people copy from paper is brought into one form
// before anything is compared.
func TestParseReadsPaper(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ answer, want string }{
		{"ABCD-EFGH-IJKL-MNOP", "ABCD-EFGH-IJKL-MNOP"},
		{"abcdefghijklmnop", "ABCD-EFGH-IJKL-MNOP"},
		{" abcd efgh ijkl mnop ", "ABCD-EFGH-IJKL-MNOP"},
		{"A-B-C-D-E-F-G-H-I-J-K-L-M-N-O-P", "ABCD-EFGH-IJKL-MNOP"},
		{"2345-67ab-0018-aaaa", "2345-67AB-OOIB-AAAA"},
		{"ABCD-EFGH-IJKL-MNO", ""},
		{"ABCD-EFGH-IJKL-MNOPQ", ""},
		{"ABCD-EFGH-IJKL-MNO9", ""},
		{"ABCD_EFGH_IJKL_MNOP", ""},
		{"ABCD-EFGH-IJKL-MNO\n", ""},
		{"ＡＢＣＤEFGHIJKLMNOP", ""},
		{"ABCDEFGHIJKLMNO=", ""},
		{"", ""},
		{strings.Repeat("-", 48) + "ABCDEFGHIJKLMNOP", "ABCD-EFGH-IJKL-MNOP"},
		{strings.Repeat("-", 49) + "ABCDEFGHIJKLMNOP", ""},
	} {
		code, ok := recovery.Parse(c.answer)
		if ok != (c.want != "") || ok && code.Reveal() != c.want {
			t.Errorf("Parse(%q) = %q, %v, want %q", c.answer, code.Reveal(), ok, c.want)
		}
	}
}

// TestCodeDoesNotShowItself: security.md section 3.4.
func TestCodeDoesNotShowItself(t *testing.T) {
	t.Parallel()
	code, _ := recovery.Parse("ABCDEFGHIJKLMNOP")
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "code", code)
	marshalled, err := json.Marshal(map[string]any{"code": code})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{logged.String(), string(marshalled), fmt.Sprintf("%v %s %+v %#v %x %q", code, code, code, code, code, code)} {
		if strings.Contains(text, "ABCD") || !strings.Contains(text, "redacted") {
			t.Errorf("a code shows itself: %s", text)
		}
	}
}

// FuzzParse: whatever is typed either is no code or has one form, which reads
// as itself.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"ABCD-EFGH-IJKL-MNOP", "abcd efgh 0018 2345", "", "\xff", "８８８８"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		code, ok := recovery.Parse(answer)
		if !ok {
			return
		}
		again, ok := recovery.Parse(code.Reveal())
		if !ok || again != code || len(code.Reveal()) != 19 {
			t.Errorf("Parse(%q) reads as %q", answer, code.Reveal())
		}
	})
}
