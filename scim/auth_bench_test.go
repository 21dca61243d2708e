package scim_test

import (
	"log/slog"
	"testing"

	"github.com/sallyport-id/sallyport/scim"
)

// BenchmarkAuthenticate is the token check of every request, from the cache.
func BenchmarkAuthenticate(b *testing.B) {
	store := newMemoryTokens()
	now := &clock{}
	auth, err := scim.NewTokenAuthenticator(scim.TokenAuthenticatorConfig{Store: store, Logger: slog.New(slog.DiscardHandler), Now: now.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer auth.Close()
	issuer := scim.Tokens{Store: store, Tx: store, Audit: &memoryLog{}, Now: now.Now, Rand: zeroReader{}}
	secret, _, err := issuer.Issue(b.Context(), scim.NewToken{Name: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	text := secret.Reveal()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := auth.Authenticate(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
}
