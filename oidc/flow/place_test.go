package flow

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func newTestSealer(tb testing.TB, fill string) sealer {
	tb.Helper()
	s, err := newSealer([]byte(strings.Repeat(fill, keyBytes)))
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// A place is read by its own server at the URIs of its kind, and nowhere else.
func TestPlaceRoundTrip(t *testing.T) {
	t.Parallel()
	ours, theirs := newTestSealer(t, "a"), newTestSealer(t, "b")
	rapid.Check(t, func(t *rapid.T) {
		want := place{
			Txn: rapid.String().Draw(t, "txn"), Client: rapid.String().Draw(t, "client"), Number: rapid.Int64().Draw(t, "number"),
			Login: rapid.StringN(0, 50, longestName).Draw(t, "login"), Account: rapid.String().Draw(t, "account"),
		}
		if rapid.Bool().Draw(t, "keyed") {
			want.Key = &keyed{Hash: []byte{1, 2}, Sessions: []string{"s"}, Known: []string{"k"}}
		}
		if rapid.Bool().Draw(t, "decided") {
			want.Decision = &decision{Approved: true, Scopes: []string{"email"}}
		}
		text, err := ours.seal(kindLogin, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ours.open(kindLogin, text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("open: %v (-want +got):\n%s", err, diff)
		}
		for _, k := range []kind{kindSecond, kindApprove, kindFollowUp, kindContinue, kindPassword} {
			if _, err := ours.open(k, text); !errors.Is(err, errNoPlace) {
				t.Fatalf("open as %s: %v", k, err)
			}
		}
		if _, err := theirs.open(kindLogin, text); !errors.Is(err, errNoPlace) {
			t.Fatalf("open by another server: %v", err)
		}
		other, err := ours.seal(kindLogin, want)
		if err != nil || other == text {
			t.Fatalf("sealing twice gives the same: %v", err)
		}
	})
}

func TestSealerWantsItsKey(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := newSealer(make([]byte, n)); err == nil {
			t.Errorf("a key of %d bytes was taken", n)
		}
	}
}

// FuzzPlace: only what the server has sealed is opened, and it is what was
// sealed. Every process of the fuzzer seals a text of its own.
func FuzzPlace(f *testing.F) {
	s := newTestSealer(f, "a")
	want := place{Txn: "t", Client: "c"}
	text, err := s.seal(kindLogin, want)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add("")
	f.Add(text + "=")
	f.Fuzz(func(t *testing.T, given string) {
		got, err := s.open(kindLogin, given)
		if err != nil && !errors.Is(err, errNoPlace) || err == nil && !cmp.Equal(got, want) {
			t.Fatalf("open(%q) = %+v, %v", given, got, err)
		}
	})
}
