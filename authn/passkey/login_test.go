package passkey_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/passkey"
)

// A passkey proves its user, and what it is called tells where its key lives:
// hwk in one device, swk where it may be copied (RFC 8176 section 2).
func TestLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		options virtualwebauthn.AuthenticatorOptions
		amr     []string
	}{
		"bound to its device": {virtualwebauthn.AuthenticatorOptions{}, []string{"hwk", "user"}},
		"may be synced":       {virtualwebauthn.AuthenticatorOptions{BackupEligible: true}, []string{"swk", "user"}},
		"is synced":           {virtualwebauthn.AuthenticatorOptions{BackupEligible: true, BackupState: true}, []string{"swk", "user"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c.options.UserHandle = []byte("ann")
			b.auth.Options = c.options
			k := b.register()
			for _, asks := range []passkey.Asks{{}, {UserID: "ann", Of: []passkey.Passkey{k}}, {UserID: "ann", Of: []passkey.Passkey{k}, Second: true}} {
				o, ceremony := b.begin(asks)
				if (len(o.AllowCredentials) > 0) != (asks.Of != nil) {
					t.Errorf("allowCredentials = %v for %+v", o.AllowCredentials, asks)
				}
				proof, err := b.login(ceremony, b.answer(o), k)
				if err != nil {
					t.Fatalf("Login: %v", err)
				}
				if diff := cmp.Diff(c.amr, proof.AMR); diff != "" || !proof.Verified {
					t.Errorf("amr (-want +got): %s verified %v", diff, proof.Verified)
				}
				k.Record = proof.Record
			}
		})
	}
}

// TestPeer_40 holds every result of the verification: each of these is one
// change to an answer that is right otherwise.
func TestPeer_40(t *testing.T) {
	t.Parallel()
	client := func(edit func(map[string]any)) func(t *testing.T, top, response map[string]any) {
		return func(t *testing.T, _, response map[string]any) {
			raw, err := base64.RawURLEncoding.DecodeString(response["clientDataJSON"].(string))
			if err != nil {
				t.Fatal(err)
			}
			var data map[string]any
			if err := json.Unmarshal(raw, &data); err != nil {
				t.Fatal(err)
			}
			edit(data)
			raw, _ = json.Marshal(data)
			response["clientDataJSON"] = base64.RawURLEncoding.EncodeToString(raw)
		}
	}
	for name, c := range map[string]struct {
		before func(*bench)
		after  func(t *testing.T, top, response map[string]any)
		want   passkey.Reason
	}{
		"id is not rawId":         {after: func(_ *testing.T, top, _ map[string]any) { top["id"] = "AAAA" }, want: passkey.Malformed},
		"another type":            {after: func(_ *testing.T, top, _ map[string]any) { top["type"] = "password" }, want: passkey.Malformed},
		"origin":                  {before: func(b *bench) { b.rp.Origin = "https://id.example.org.evil.example" }, want: passkey.Invalid},
		"origin by http":          {before: func(b *bench) { b.rp.Origin = "http://id.example.org" }, want: passkey.Invalid},
		"RP id":                   {before: func(b *bench) { b.rp.ID = "evil.example" }, want: passkey.Invalid},
		"not verified":            {before: func(b *bench) { b.auth.Options.UserNotVerified = true }, want: passkey.Unverified},
		"not present":             {before: func(b *bench) { b.auth.Options.UserNotPresent = true }, want: passkey.Invalid},
		"another key":             {before: func(b *bench) { b.key.Key = newKey().Key }, want: passkey.Invalid},
		"user handle":             {before: func(b *bench) { b.auth.Options.UserHandle = []byte("bob") }, want: passkey.Invalid},
		"no user handle":          {before: func(b *bench) { b.auth.Options.UserHandle = nil }, want: passkey.Invalid},
		"became copyable":         {before: func(b *bench) { b.auth.Options.BackupEligible = true }, want: passkey.Invalid},
		"backed up but cannot be": {before: func(b *bench) { b.auth.Options.BackupState = true }, want: passkey.Invalid},
		"signature": {after: func(_ *testing.T, _, response map[string]any) {
			response["signature"] = base64.RawURLEncoding.EncodeToString([]byte("not a signature"))
		}, want: passkey.Invalid},
		"challenge, with the signature over the right one": {
			after: client(func(d map[string]any) { d["challenge"] = base64.RawURLEncoding.EncodeToString(make([]byte, 32)) }), want: passkey.Invalid,
		},
		"an answer of a registration": {after: client(func(d map[string]any) { d["type"] = "webauthn.create" }), want: passkey.Invalid},
		"in a frame of another site":  {after: client(func(d map[string]any) { d["crossOrigin"] = true }), want: passkey.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			k := b.register()
			if c.before != nil {
				c.before(b)
			}
			o, ceremony := b.begin(passkey.Asks{})
			answer := b.answer(o)
			if c.after != nil {
				answer = edited(t, answer, func(top, response map[string]any) { c.after(t, top, response) })
			}
			_, err := b.login(ceremony, answer, k)
			refused(t, name, err, c.want)
		})
	}
}

// The challenge of one ceremony answers no other, and none after five minutes.
func TestChallenge(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	k := b.register()
	first, one := b.begin(passkey.Asks{})
	second, other := b.begin(passkey.Asks{})
	if len(first.Challenge) != 32 || string(first.Challenge) == string(second.Challenge) {
		t.Fatalf("challenges %x and %x", first.Challenge, second.Challenge)
	}
	_, err := b.login(other, b.answer(first), k)
	refused(t, "another challenge", err, passkey.Invalid)
	b.now = noon.Add(5*time.Minute - time.Microsecond)
	if _, err := b.login(one, b.answer(first), k); err != nil {
		t.Errorf("just before the end: %v", err)
	}
	b.now = noon.Add(5 * time.Minute)
	_, err = b.login(other, b.answer(second), k)
	refused(t, "at the end", err, passkey.Expired)
	_, err = b.login(passkey.Ceremony{}, b.answer(second), k)
	refused(t, "none", err, passkey.Expired)
}

// Only a passkey that was asked for does, and only of the user who was.
func TestWhose(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	k := b.register()
	o, ceremony := b.begin(passkey.Asks{UserID: "bob"})
	_, err := b.login(ceremony, b.answer(o), k)
	refused(t, "of another user", err, passkey.Unknown)
	_, err = b.login(ceremony, b.answer(o), passkey.Passkey{})
	refused(t, "of nobody", err, passkey.Unknown)

	second := newBench(t)
	offered := second.register()
	o, ceremony = b.begin(passkey.Asks{UserID: "ann", Of: []passkey.Passkey{offered}})
	_, err = b.login(ceremony, b.answer(o), k)
	refused(t, "not one of those asked for", err, passkey.Unknown)

	// With the credentials named, an authenticator may leave the handle out.
	b.auth.Options.UserHandle = nil
	o, ceremony = b.begin(passkey.Asks{UserID: "ann", Of: []passkey.Passkey{k}})
	if _, err := b.login(ceremony, b.answer(o), k); err != nil {
		t.Errorf("without user handle: %v", err)
	}
}

// A counter that does not go on tells of a copy (section 6.1.1); one that stays 0
// counts nothing.
func TestCloned(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	k := b.register()
	try := func(counter uint32) error {
		o, ceremony := b.begin(passkey.Asks{})
		b.key.Counter = counter - 1
		proof, err := b.login(ceremony, b.answer(o), k)
		if err == nil {
			k.Record = proof.Record
		}
		return err
	}
	if err := try(7); err != nil {
		t.Fatal(err)
	}
	refused(t, "the same again", try(7), passkey.Cloned)
	refused(t, "an earlier one", try(3), passkey.Cloned)
	if err := try(8); err != nil {
		t.Errorf("the next: %v", err)
	}
	fresh := newBench(t)
	k = fresh.register()
	for range 2 {
		o, ceremony := fresh.begin(passkey.Asks{})
		fresh.key.Counter = ^uint32(0) // the answer moves it on to 0
		proof, err := fresh.login(ceremony, fresh.answer(o), k)
		if err != nil {
			t.Fatalf("a counter that stays 0: %v", err)
		}
		k.Record = proof.Record
	}
}

// Where keys without a PIN may log in, they do as a first factor and no more.
func TestUnverified(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *passkey.Config) { c.UnverifiedFirst = true })
	b.auth.Options.UserNotVerified = true
	k := b.register()
	o, ceremony := b.begin(passkey.Asks{})
	proof, err := b.login(ceremony, b.answer(o), k)
	if err != nil || proof.Verified || !cmp.Equal(proof.AMR, []string{"hwk"}) {
		t.Errorf("first factor: %+v, %v", proof, err)
	}
	o, ceremony = b.begin(passkey.Asks{UserID: "ann", Of: []passkey.Passkey{k}, Second: true})
	_, err = b.login(ceremony, b.answer(o), k)
	refused(t, "second factor", err, passkey.Unverified)
}

// FuzzParseAssertion: whatever a browser sends, it is read or refused.
func FuzzParseAssertion(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Add([]byte(`{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AAAA","signature":""}}`))
	f.Add([]byte(strings.Repeat("[", 1000)))
	f.Fuzz(func(t *testing.T, answer []byte) {
		a, err := passkey.ParseAssertion(answer)
		if err == nil && len(a.CredentialID) == 0 {
			t.Errorf("%q: read without a credential", answer)
		}
	})
}
