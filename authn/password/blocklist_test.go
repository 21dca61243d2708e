package password_test

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/password"
)

// The list in the program is searched as it lies, so its order is what makes it
// work; section 1 of the rules asks for 3 000 entries at least.
func TestCommonPasswordsAreSortedAndMany(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("common/passwords.txt")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) < 3000 || !slices.IsSorted(lines) || len(slices.Compact(slices.Clone(lines))) != len(lines) {
		t.Fatalf("%d lines, sorted %v; want 3000 or more, in order, each once", len(lines), slices.IsSorted(lines))
	}
	list := password.NewBlocklist(nil, nil)
	for _, line := range lines {
		if line != strings.ToLower(line) || len(line) > 31 {
			t.Errorf("line %q is not in lower case or too long", line)
		}
		if err := list.Check(password.Of(line), nil); err == nil {
			t.Errorf("Check(%q) = nil", line)
		}
	}
}

func TestBlocklist(t *testing.T) {
	t.Parallel()
	breached, err := password.NewHashFile(strings.NewReader(hashes("breached but odd words", "ünlikely ones")), int64(len(hashes("breached but odd words", "ünlikely ones"))))
	if err != nil {
		t.Fatal(err)
	}
	list := password.NewBlocklist([]string{"Sallyport", ""}, breached)
	words := []string{"dr.veil", "veil.anne@example.org", "Ánne Lee", "Bo"}
	for text, want := range map[string]password.BlockReason{
		"password": password.Common, "PassWord": password.Common, "password2026!": password.Common,
		"dragon!!": password.Common, "ｐａｓｓｗｏｒｄ": password.Common, "pass-word": password.Common,
		"i love you": password.Common, "Summer 2026": password.Common, "12345678!": password.Common,
		"sallyport": password.Personal, "SallyPort-2026": password.Personal,
		"dr.veil": password.Personal, "DrVeil99": password.Personal, "veil.anne@example.org": password.Personal,
		"Veil.Anne1": password.Personal, "ánne lee": password.Personal, "A\u0301nneLee7": password.Personal,
		"breached but odd words": password.Breached, "u\u0308nlikely ones": password.Breached,
		"correct horse battery": "", "Bo": "", "seven ravens over Vannes": "", "dragon836194027": "",
		"sallyport marsh lantern": "", "breached but odd word": "", "": "", "!!!!!!!!": "",
	} {
		err := list.Check(password.Of(text), words)
		var blocked *password.BlockedError
		switch {
		case want == "" && err != nil:
			t.Errorf("Check(%q) = %v, want nil", text, err)
		case want != "" && (!errors.As(err, &blocked) || blocked.Reason != want):
			t.Errorf("Check(%q) = %v, want %s", text, err, want)
		case want != "" && !strings.HasSuffix(err.Error(), "; choose another"):
			t.Errorf("Check(%q) says %q, not what to do", text, err)
		}
	}
}

// A password in use goes on, whatever the rules for new ones say.
func TestRehashIgnoresTheRules(t *testing.T) {
	t.Parallel()
	h := newHasher(t, password.Config{})
	if _, err := h.Hash(t.Context(), password.Of("password1"), nil); !errors.As(err, new(*password.BlockedError)) {
		t.Errorf("Hash = %v, want BlockedError", err)
	}
	phc, err := h.Rehash(t.Context(), password.Of("password1"))
	if err != nil || !verify(t, h, phc, "password1") {
		t.Errorf("Rehash = %v, or the password does not verify", err)
	}
}

// hashes is a list of breached passwords as it is published.
func hashes(texts ...string) string {
	lines := make([]string, 0, len(texts))
	for i, text := range texts {
		lines = append(lines, fmt.Sprintf("%X:%d\r\n", sha1.Sum([]byte(text)), i+1))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

func TestHashFileFindsEveryLine(t *testing.T) {
	t.Parallel()
	var texts []string
	for i := range 500 {
		texts = append(texts, fmt.Sprintf("unlisted words %d here", i))
	}
	path := filepath.Join(t.TempDir(), "breached.txt")
	if err := os.WriteFile(path, []byte(hashes(texts...)), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := password.OpenHashFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := password.NewBlocklist(nil, file)
	for _, text := range texts {
		if err := list.Check(password.Of(text), nil); !errors.As(err, new(*password.BlockedError)) {
			t.Errorf("Check(%q) = %v, want BlockedError", text, err)
		}
		if err := list.Check(password.Of(text+"x"), nil); err != nil {
			t.Errorf("Check(%q) = %v, want nil", text+"x", err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	// What cannot be looked up is refused, not let through.
	if err := list.Check(password.Of(texts[0]), nil); err == nil || errors.As(err, new(*password.BlockedError)) {
		t.Errorf("Check with the file closed = %v, want an error of its own", err)
	}
}

func TestHashFileRefused(t *testing.T) {
	t.Parallel()
	a, b := strings.Repeat("A", 40), strings.Repeat("B", 40)
	for name, c := range map[string]struct{ text, want string }{
		"empty": {"", "empty"}, "unsorted": {b + "\n" + a + "\n", "ascending"}, "twice": {a + "\n" + a + "\n", "ascending"},
		"lower case": {strings.ToLower(a) + "\n", "upper-case"}, "short": {a[1:] + "\n", "upper-case"},
		"no count": {a + ":\n", "upper-case"}, "words": {"password\n", "upper-case"}, "blank line": {"\n" + a, "upper-case"},
		"long line": {strings.Repeat("A", 500), "longer than"},
	} {
		if _, err := password.NewHashFile(strings.NewReader(c.text), int64(len(c.text))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: NewHashFile = %v, want %q", name, err, c.want)
		}
	}
	for name, path := range map[string]string{"folder": t.TempDir(), "absent": filepath.Join(t.TempDir(), "none")} {
		if _, err := password.OpenHashFile(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: OpenHashFile = %v, want an error that names it", name, err)
		}
	}
}

// FuzzHashFile: no text makes the search panic, hang, or find what is not there.
func FuzzHashFile(f *testing.F) {
	f.Add(hashes("one", "two", "three"), "two")
	f.Add(strings.Repeat("A", 40)+"\nx\n"+strings.Repeat("B", 40), "two")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, wanted string) {
		file, err := password.NewHashFile(strings.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		line := fmt.Sprintf("%X", sha1.Sum([]byte("no common word"+wanted)))
		err = password.NewBlocklist(nil, file).Check(password.Of("no common word"+wanted), nil)
		if blocked, ok := errors.AsType[*password.BlockedError](err); ok && blocked.Reason == password.Breached && !strings.Contains(text, line) &&
			strings.ToValidUTF8(wanted, "") == wanted && isPlain(wanted) {
			t.Errorf("found %q in a file without it", wanted)
		}
	})
}

func isPlain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r > '~' }) < 0
}
