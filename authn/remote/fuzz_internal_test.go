package remote

import (
	"testing"
	"time"
)

// FuzzOpenReply opens only what was signed, and never panics.
func FuzzOpenReply(f *testing.F) {
	secret := []byte("a secret of exactly 32 bytes....")
	now := time.Unix(1_700_000_000, 0)
	req := Request{Issuer: "https://id.example.com", ID: "r1", Operation: Check}
	good, err := sign(secret, TypeReply, Reply{Audience: req.Issuer, InReplyTo: req.ID, IssuedAt: now.Unix(), Status: Success})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Add(good + ".")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := openReply(secret, text, req, now)
		if err == nil && text != good && r.Status == Success {
			t.Errorf("opened %q", text)
		}
	})
}
