package password

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const salt, tag = "c29tZXNhbHQ", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	tests := map[string]string{
		"empty":              "",
		"another function":   "$argon2d$v=19$m=65536,t=2,p=1$" + salt + "$" + tag,
		"another version":    "$argon2id$v=16$m=65536,t=2,p=1$" + salt + "$" + tag,
		"no version":         "$argon2id$m=65536,t=2,p=1$" + salt + "$" + tag,
		"parameter order":    "$argon2id$v=19$t=2,m=65536,p=1$" + salt + "$" + tag,
		"parameter missing":  "$argon2id$v=19$m=65536,t=2$" + salt + "$" + tag,
		"parameter unknown":  "$argon2id$v=19$m=65536,t=2,p=1,x=1$" + salt + "$" + tag,
		"parameter twice":    "$argon2id$v=19$m=65536,t=2,p=1,keyid=azE,keyid=azE$" + salt + "$" + tag,
		"leading zero":       "$argon2id$v=19$m=065536,t=2,p=1$" + salt + "$" + tag,
		"sign":               "$argon2id$v=19$m=+65536,t=2,p=1$" + salt + "$" + tag,
		"zero passes":        "$argon2id$v=19$m=65536,t=0,p=1$" + salt + "$" + tag,
		"zero lanes":         "$argon2id$v=19$m=65536,t=2,p=0$" + salt + "$" + tag,
		"memory bomb":        "$argon2id$v=19$m=4294967295,t=2,p=1$" + salt + "$" + tag,
		"time bomb":          "$argon2id$v=19$m=65536,t=4294967295,p=1$" + salt + "$" + tag,
		"lanes wrap":         "$argon2id$v=19$m=65536,t=2,p=257$" + salt + "$" + tag,
		"too little memory":  "$argon2id$v=19$m=31,t=2,p=4$" + salt + "$" + tag,
		"padding":            "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "==$" + tag,
		"loose last bits":    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHR$" + tag,
		"line break":         "$argon2id$v=19$m=65536,t=2,p=1$c29tZ\nXNhbHQ$" + tag,
		"short salt":         "$argon2id$v=19$m=65536,t=2,p=1$c2FsdA$" + tag,
		"short tag":          "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$CTFh",
		"long tag":           "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + strings.Repeat("A", 88),
		"empty keyid":        "$argon2id$v=19$m=65536,t=2,p=1,keyid=$" + salt + "$" + tag,
		"trailing part":      "$argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + tag + "$",
		"leading blank":      " $argon2id$v=19$m=65536,t=2,p=1$" + salt + "$" + tag,
		"far too long":       "$argon2id$v=19$" + strings.Repeat("m", 1<<16),
		"nothing but dollar": "$$$$$",
	}
	for name, phc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e, err := parse(phc); !errors.Is(err, ErrFormat) {
				t.Errorf("parse(%.80q) = %+v, %v; want ErrFormat", phc, e, err)
			}
		})
	}
}

// FuzzParsePHC: no panic, and what is accepted is the one spelling.
func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=19456,t=2,p=1,keyid=azE$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2id$v=19$m=1,t=,p=$$")
	f.Fuzz(func(t *testing.T, phc string) {
		e, err := parse(phc)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("parse(%q) = %v, want ErrFormat", phc, err)
			}
			return
		}
		if got := e.String(); got != phc {
			t.Errorf("print(parse(%q)) = %q", phc, got)
		}
		p := e.params
		if p.Memory > maxMemory || p.Time < 1 || p.Time > maxTime || p.Threads < 1 || p.Threads > maxThreads || p.Memory < 8*uint32(p.Threads) {
			t.Errorf("parse(%q) accepts parameters %+v", phc, p)
		}
	})
}

func TestBusyAfterWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{Slots: 1})
		if err != nil {
			t.Fatal(err)
		}
		h.slots <- struct{}{} // somebody else computes
		begin := time.Now()
		_, err = h.Hash(t.Context(), Of("83q61w75"), nil)
		var busy *BusyError
		if !errors.As(err, &busy) || busy.RetryAfter != 2*time.Second {
			t.Errorf("Hash with all slots taken = %v, want *BusyError", err)
		}
		if waited := time.Since(begin); waited != 2*time.Second {
			t.Errorf("waited %v, want 2s", waited)
		}
		if err := h.VerifyUnknown(t.Context(), Of("83q61w75")); !errors.As(err, &busy) {
			t.Errorf("VerifyUnknown with all slots taken = %v, want *BusyError: it takes a slot too", err)
		}
	})
}

func TestWaitEndsWithSlotOrContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, err := New(Config{Slots: 1})
		if err != nil {
			t.Fatal(err)
		}
		h.slots <- struct{}{}
		got := make(chan error, 1)
		go func() { got <- h.acquire(t.Context()) }()
		synctest.Wait()
		<-h.slots
		if err := <-got; err != nil {
			t.Errorf("acquire after a slot became free = %v", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, err := h.Hash(ctx, Of("83q61w75"), nil); got <- err }()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("Hash of a caller that went away = %v, want context.Canceled", err)
		}
	})
}

func BenchmarkHash(b *testing.B) {
	h, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := h.Hash(b.Context(), Of("correct horse"), nil); err != nil {
			b.Fatal(err)
		}
	}
}
