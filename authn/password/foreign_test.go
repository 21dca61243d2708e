package password_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/password"
)

// foreignText is the password of all vectors.
const foreignText = "Grüße an alle 42"

// foreignVectors were made by other programs, each named; not by this one.
func foreignVectors() []struct{ maker, hash string } {
	return []struct{ maker, hash string }{
		{"php password_hash", "$2y$10$D/LcOWSvhHmP4Up9x/LpMu1MCSYA3cz.x5DiT1EIoCesqw8V43clG"},
		{"htpasswd -B -C 12", "$2y$12$RABFsye6Rn9vx8PQ2KeUTuwHipvKLq/PXUdv5g/7pE/i0JNWvoM3O"},
		{"passlib 1.7.4 bcrypt", "$2b$08$EifMxDuKlAQaCFMueK/bRe3lCGKAsjWnHoibAfpD5i7Hl1hE.jKPe"},
		{"passlib ldap_bcrypt", "{CRYPT}$2b$12$78DBF3Q51EGGMKHYZBIq2uhTYCez10wmbqIfbSYoNA4tZFQO8KV8e"},
		{"Django 3.2 bcrypt", "bcrypt$$2b$12$8QBEjMredPE5I1EXtWFZc.UxXTO9BJ5aZ86XbbQUHY7Ghw59Gxega"},
		{"php argon2id", "$argon2id$v=19$m=65536,t=4,p=1$Qnl3a2F6c1B1MjBRZmJxQQ$Pvr39iPT5ceRZjQSC+4rp/r+NgPObgc0MUi6IE9VGXM"},
		{"php argon2i", "$argon2i$v=19$m=16384,t=3,p=2$UmhBVnNLLnlKM05YdEF1YQ$/HgBpMl/nFN3iN9Oj75hNLjq7PurIMY+IO+AvLLCIN8"},
		{"argon2(1)", "$argon2id$v=19$m=32768,t=3,p=2$c29tZXNhbHQx$KBbm5lQuuSu6Vf/ETH5Fi4eVFx9/tlYmX6n4U1A+LFw"},
		{"passlib argon2", "$argon2id$v=19$m=102400,t=2,p=8$IoTwPidEiJFS6r03ppSy1g$9YZmrRhWla0zW4ttGuFaJw"},
		{"passlib argon2i", "$argon2i$v=19$m=102400,t=2,p=8$yBljzPn/X4vROmfM2fufUw$iljeAZfqODWHvAPiTdJC6Q"},
		{"Django argon2", "argon2$argon2id$v=19$m=102400,t=2,p=8$QU5zYjhKNzZIS3hMNUkyTTlUMlRSSg$Mir6JR/3g9SGP6R2wZ6wKA"},
		{"slappasswd {ARGON2}", "{ARGON2}$argon2i$v=19$m=4096,t=3,p=1$M2AdjnVYT3nkeYI4OdCuwg$RpSfatD5tt86rojgJW1zZwhKJR3P2uRQI8IOeiLe9eU"},
		{"passlib scrypt", "$scrypt$ln=14,r=8,p=1$TGlNydnbO8f4HwOgdA4B4A$O79p9P19L7Xe0rjsf+oJEBLkHRrx8FWeb9qNeVgCiMA"},
		{"openssl kdf SCRYPT", "$scrypt$ln=15,r=8,p=1$ABEiM0RVZneImaq7zN3u/w$2XalkwjMqHax1ySIWsOxe3ApL9EvlazMTFTIkZVaLsE"},
		{"openssl kdf SCRYPT, as Django writes it", "scrypt$0123456789abcdef$16384$8$1$0G7JLlkMqyk6M6n1DH7fQLVM9shsEkYlswHH+6CzJt0kIKx74dERXuGgxaGjZz9XXbHh0DiptnS1+jWlRWK2YA=="},
		{"passlib pbkdf2_sha1", "$pbkdf2$20000$1vo/B0CIsTbmHIPwnnNOSQ$HVWeqmi60pPI6FAPXL/hJKlUGFo"},
		{"passlib pbkdf2_sha256", "$pbkdf2-sha256$29000$t5ZSihEiREgJAYAQIqRUyg$cwzRxc0m16MUt9AsSbD43Rz/dbng6MdQmKW4Gd8mHfI"},
		{"passlib pbkdf2_sha512", "$pbkdf2-sha512$25000$uveek1JKKcX4XwshREgJgQ$vtcrGZz/l.SO4G8JVaf.cuNqHrUjjbQVCOhLyPPOcNaNaPfMpBeFCu3rE5PeIOarcnirVdvj/zypDAbThmKM.g"},
		{"openssl kdf PBKDF2, in PHC form", "$pbkdf2-sha256$i=10000,l=32$ABEiM0RVZneImaq7zN3u/w$lDh0X/XewXDFSLQZDG2GozIjSsZqEPQlCsNck5mPs0w"},
		{"Django 3.2 PBKDF2", "pbkdf2_sha256$260000$iTEVcZsjY53nyUWX96TymP$6EOJ5HOdDcVeDTJik2PtlGPG2zbto+2MQmxCb6p+YEU="},
		{"Django 3.2 PBKDF2 with SHA-1", "pbkdf2_sha1$260000$kczsiuSYKGopgHnMQHh13z$Qe6UujmqZ2Na/v0clq85ceT/jO8="},
		{"passlib ldap_pbkdf2_sha1", "{PBKDF2}131000$KKWUco5RqjUmxBhjDMF4rw$ynqcwRyX5i2QfTISeNXqZpuEJP0"},
		{"passlib ldap_pbkdf2_sha256", "{PBKDF2-SHA256}29000$SOn9P.ccQ2htzXnvnZNybg$mF6JnX2UmmVOEg.kKGphQtB9J0ZcDzrfiJ8047nZUTk"},
		{"passlib ldap_pbkdf2_sha512", "{PBKDF2-SHA512}25000$DMF4TwlhrLX2vhfiXMvZWw$krajlzV2Fpcms1idHX1013yA.ZgiyGQ/JEVOSCT99/NUua9JgNKz4ZyfOBL0lisbaK3rEsik0i6mE6FNkgFkkg"},
		{"slappasswd {SSHA}", "{SSHA}huSCV3rVx80MDWWmIZFPqWDsdK8JgPOH"},
		{"passlib ldap_salted_sha1", "{SSHA}/nLk8xvljtyo9+X1CR9CEZBijkBjDMF4"},
		{"slappasswd {SSHA256}", "{SSHA256}sttzHlaSnzJedPvBW+Z7RMt92mlqBCjQbt7Q7GJ8xywSCOj65jOa6Q=="},
		{"slappasswd {SSHA384}", "{SSHA384}U9DMP27FFv6u2sehY0wNaWQa54aEXp51db97sXJvUmedfrh3j8Mpn082E20wc2RB61pnVra1erE="},
		{"slappasswd {SSHA512}", "{SSHA512}ERWc2cTwAHloabwZWXTfKcjU2zk+IjF56fUY0BAi/hKcR8gBCVX1W2ipaRld79ZzxzrXyre5NxyxACYqfl3Cu/JcrX9KGTCK"},
		{"passlib ldap_salted_sha512", "{ssha512}jlpa7+Lal037rAqOk3Vc6vQZ2BdOgXge1CEPUVk84/1bqwxQwgRZx9LRYmUn9VkBEGYYyMI1K7rPyRNrbdh+lpuT0jrHeI8x"},
	}
}

// TestForeignVectors: the password of each hash is right, anything else is wrong,
// and each asks to be replaced.
func TestForeignVectors(t *testing.T) {
	t.Parallel()
	h, err := password.New(password.Config{Slots: runtime.GOMAXPROCS(0)})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range foreignVectors() {
		stored, err := password.Foreign(v.hash)
		if err != nil || stored != v.hash {
			t.Errorf("%s: Foreign = %q, %v", v.maker, stored, err)
			continue
		}
		for _, c := range []struct {
			text string
			want bool
		}{
			{foreignText, true},
			{"Gru\u0308ße an alle 42", true}, // the same in form NFD
			{foreignText + " ", false},
			{"", false},
		} {
			if got, err := h.Verify(t.Context(), stored, password.Of(c.text)); got != c.want || err != nil {
				t.Errorf("%s: Verify(%q) = %v, %v, want %v", v.maker, c.text, got, err, c.want)
			}
		}
		if !h.NeedsRehash(stored) {
			t.Errorf("%s: it is not replaced", v.maker)
		}
	}
}

// A system that hashed what was typed, whatever its form, is matched too.
func TestForeignHashOfAnotherForm(t *testing.T) {
	t.Parallel()
	h, err := password.New(password.Config{})
	if err != nil {
		t.Fatal(err)
	}
	// printf 'u\314\210ber alles' | openssl dgst -sha1 with the salt "salt".
	const decomposed = "{SSHA}IX3ubnfZhqbay8vUS2rniKGbgGVzYWx0"
	if ok, err := h.Verify(t.Context(), decomposed, password.Of("u\u0308ber alles")); !ok || err != nil {
		t.Errorf("as it was typed: %v, %v", ok, err)
	}
	if ok, err := h.Verify(t.Context(), decomposed, password.Of("über alles")); ok || err != nil {
		t.Errorf("in the other form: %v, %v", ok, err)
	}
}

// TestForeignRefusesHostileParameters: a hash comes from outside; none may make
// a login exhaust the machine, and none is weaker than nothing.
func TestForeignRefusesHostileParameters(t *testing.T) {
	t.Parallel()
	const salt, sum = "ABEiM0RVZneImaq7zN3u/w", "2XalkwjMqHax1ySIWsOxe3ApL9EvlazMVMiRlVouwQ"
	const bcrypt = "EifMxDuKlAQaCFMueK/bRe3lCGKAsjWnHoibAfpD5i7Hl1hE.jKPe"
	for _, text := range []string{
		"", "plain text", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{MD5}x", "{CLEARTEXT}secret", "$1$salt$hash", "$6$salt$hash", "{CRYPT}xyz",
		"$2b$15$" + bcrypt, "$2b$31$" + bcrypt, "$2b$03$" + bcrypt, "$2b$99$" + bcrypt, "$2x$08$" + bcrypt, "$2b$08$" + bcrypt + "x", "$2b$08$" + bcrypt[:52],
		"$argon2id$v=19$m=262145,t=2,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + sum,
		"$argon2id$v=19$m=19456,t=17,p=1$" + salt + "$" + sum, "$argon2id$v=19$m=19456,t=2,p=17$" + salt + "$" + sum,
		"$argon2i$v=19$m=19456,t=0,p=1$" + salt + "$" + sum, "$argon2i$v=16$m=19456,t=2,p=1$" + salt + "$" + sum,
		"$argon2d$v=19$m=19456,t=2,p=1$" + salt + "$" + sum, "$argon2i$v=19$m=19456,t=2,p=1,keyid=cDE$" + salt + "$" + sum,
		"$scrypt$ln=18,r=8,p=1$" + salt + "$" + sum, "$scrypt$ln=17,r=9,p=1$" + salt + "$" + sum, "$scrypt$ln=17,r=8,p=5$" + salt + "$" + sum,
		"$scrypt$ln=0,r=8,p=1$" + salt + "$" + sum, "$scrypt$ln=14,r=33,p=1$" + salt + "$" + sum, "$scrypt$ln=14,r=8,p=99999999999$" + salt + "$" + sum,
		"$scrypt$ln=14,r=8$" + salt + "$" + sum, "$scrypt$ln=14,r=8,p=1$$" + sum, "$scrypt$ln=14,r=8,p=1$" + salt + "$", "$scrypt$ln=-1,r=8,p=1$" + salt + "$" + sum,
		"scrypt$salt$16383$8$1$" + sum, "scrypt$salt$1048576$8$1$" + sum, "scrypt$$16384$8$1$" + sum, "scrypt$salt$16384$8$1",
		"$pbkdf2-sha256$2000001$" + salt + "$" + sum, "$pbkdf2-sha256$i=999$" + salt + "$" + sum, "$pbkdf2-sha256$-1$" + salt + "$" + sum,
		"$pbkdf2-md5$29000$" + salt + "$" + sum, "$pbkdf2-sha256$29000$" + salt + "$" + strings.Repeat("A", 100), "$pbkdf2-sha256$29000$" + salt + "$AAAA",
		"{PBKDF2-SHA256}99999999$" + salt + "$" + sum, "{PBKDF2-SHA256", "{PBKDF2}", "pbkdf2_sha256$1$salt$" + sum, "pbkdf2_sha256$29000$$" + sum,
		"{SSHA}", "{SSHA}AAAA", "{SSHA}!!!!", "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SSHA}" + strings.Repeat("A", 200), "{SSHA512}huSCV3rVx80MDWWmIZFPqWDsdK8JgPOH",
		"$argon2id$" + strings.Repeat("x", 600), "{CRYPT}", "{CRYPT}$", "bcrypt$", "argon2$", "argon2",
	} {
		_, err := password.Foreign(text)
		if !errors.Is(err, password.ErrForeign) {
			t.Errorf("Foreign(%q) = %v, want ErrForeign", text, err)
			continue
		}
		for _, secret := range []string{sum, salt, bcrypt} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows the hash: %v", err)
			}
		}
	}
}

// FuzzForeign: no text makes the reader panic, and what it takes has bounded
// parameters, so that it is read again.
func FuzzForeign(f *testing.F) {
	for _, v := range foreignVectors() {
		f.Add(v.hash)
	}
	f.Add("$scrypt$ln=,r=,p=$$")
	f.Add("{SSHA}")
	f.Add("{PBKDF2}$$$")
	f.Fuzz(func(t *testing.T, text string) {
		stored, err := password.Foreign(text)
		if err != nil {
			if !errors.Is(err, password.ErrForeign) {
				t.Errorf("Foreign(%q): %v", text, err)
			}
			return
		}
		if again, err := password.Foreign(stored); err != nil || again != stored || len(stored) > 512 {
			t.Errorf("Foreign(%q) = %q, and then %q, %v", text, stored, again, err)
		}
	})
}
