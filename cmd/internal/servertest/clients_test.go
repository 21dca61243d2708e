package servertest_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

const clientFixtures = "../../../testdata/clients"

// TestClientReplay replays what the provisioning clients really send
// (testdata/clients, one folder a client, one file a request, in order),
// under the profile compat, and states what rfc and strict answer instead.
func TestClientReplay(t *testing.T) {
	t.Parallel()
	dirs, err := os.ReadDir(clientFixtures)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		for _, profile := range []string{"compat", "rfc", "strict"} {
			t.Run(dir.Name()+"/"+profile, func(t *testing.T) {
				t.Parallel()
				replayClient(t, filepath.Join(clientFixtures, dir.Name()), profile)
			})
		}
	}
}

func replayClient(t *testing.T, dir, profile string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures in %s: %v", dir, err)
	}
	slices.Sort(files)
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		// A variable that no reply has set stands for an id that nobody has.
		run := replay{base: s.SCIM(), token: s.Token(t, profile), vars: map[string]string{}}
		for _, file := range files {
			run.file(t, file, profile)
		}
	})
}

// replay carries what earlier replies of one client have set.
type replay struct {
	base, token string
	vars        map[string]string
}

func (r *replay) file(t *testing.T, file, profile string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range archive.Files {
		sections[f.Name] = string(f.Data)
	}
	want, ok := sections[profile]
	if !ok {
		t.Fatalf("%s: no section %s", file, profile)
	}
	status, body, header := r.send(t, file, sections["request"])
	r.compare(t, file, want, sections["compat"], status, body, header)
}

func (r *replay) expand(s string) string {
	for name, value := range r.vars {
		s = strings.ReplaceAll(s, "{{"+name+"}}", value)
	}
	for strings.Contains(s, "{{") {
		start := strings.Index(s, "{{")
		end := start + strings.Index(s[start:], "}}") + 2
		s = s[:start] + "018f0000-0000-7000-8000-000000000000" + s[end:]
	}
	return s
}

func (r *replay) send(t *testing.T, file, request string) (int, []byte, http.Header) {
	t.Helper()
	head, body, _ := strings.Cut(r.expand(request), "\n\n")
	lines := bufio.NewReader(strings.NewReader(head + "\n\n"))
	line, err := lines.ReadString('\n')
	if err != nil {
		t.Fatalf("%s: request line: %v", file, err)
	}
	method, path, _ := strings.Cut(strings.TrimSpace(line), " ")
	fields, err := textproto.NewReader(lines).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%s: request headers: %v", file, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, r.base+strings.ReplaceAll(path, `"`, "%22"), strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	req.Header = http.Header(fields)
	req.Header.Set("Authorization", "Bearer "+r.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return res.StatusCode, answer, res.Header
}

// compare checks status and scimType; where the outcome is that of compat also
// its headers, matcher and captures. A star behind the outcome says that
// earlier requests left another state, so that the body is not compared.
func (r *replay) compare(t *testing.T, file, want, compat string, status int, body []byte, header http.Header) {
	t.Helper()
	outcome := strings.TrimSpace(strings.SplitN(want, "\n", 2)[0])
	var problem struct {
		Type   string `json:"scimType"`
		Status string `json:"status"`
		Detail string `json:"detail"`
	}
	outcome, otherState := strings.CutSuffix(outcome, " *")
	got := strconv.Itoa(status)
	if status >= 400 {
		if err := json.Unmarshal(body, &problem); err != nil || problem.Status != got || problem.Detail == "" {
			t.Errorf("%s: error body %q, want a SCIM error with status and detail", file, body)
		}
		got = strings.TrimSpace(got + " " + problem.Type)
	}
	if got != outcome {
		t.Errorf("%s: answered %s, want %s (%s)", file, got, outcome, body)
		return
	}
	head, matcher, _ := strings.Cut(compat, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	same := outcome == strings.TrimSpace(lines[0]) && !otherState
	for _, line := range lines[1:] {
		if capture, ok := strings.CutPrefix(line, "capture "); ok && status < 300 {
			r.capture(t, file, capture, body)
			continue
		}
		if name, value, ok := strings.Cut(line, ": "); ok && same {
			checkHeader(t, file, name, r.expand(value), header.Get(name))
		}
	}
	if same && strings.TrimSpace(matcher) != "" {
		var pattern, actual any
		if err := json.Unmarshal([]byte(r.expand(matcher)), &pattern); err != nil {
			t.Fatalf("%s: matcher: %v", file, err)
		}
		if err := json.Unmarshal(body, &actual); err != nil {
			t.Fatalf("%s: reply %q: %v", file, body, err)
		}
		for _, difference := range match("", pattern, actual) {
			t.Errorf("%s: %s", file, difference)
		}
	}
}

func (r *replay) capture(t *testing.T, file, capture string, body []byte) {
	t.Helper()
	name, member, _ := strings.Cut(capture, "=")
	var reply map[string]any
	if err := json.Unmarshal(body, &reply); err != nil {
		t.Fatalf("%s: capture from %q: %v", file, body, err)
	}
	value, ok := reply[member].(string)
	if !ok {
		t.Fatalf("%s: reply has no %s", file, member)
	}
	r.vars[name] = value
}

func checkHeader(t *testing.T, file, name, want, got string) {
	t.Helper()
	if suffix, ok := strings.CutPrefix(want, "*"); ok && strings.HasSuffix(got, suffix) {
		return
	}
	if got != want {
		t.Errorf("%s: header %s = %q, want %q", file, name, got, want)
	}
}

// match returns where actual does not fit pattern: an object must have the
// members of the pattern, an array as many elements, "$any" is anything and
// "$absent" a member that is not there.
func match(path string, pattern, actual any) []string {
	switch p := pattern.(type) {
	case map[string]any:
		return matchObject(path, p, actual)
	case []any:
		a, ok := actual.([]any)
		if !ok || len(a) != len(p) {
			return []string{fmt.Sprintf("%s = %v, want %d elements", path, actual, len(p))}
		}
		var out []string
		for i := range p {
			out = append(out, match(fmt.Sprintf("%s[%d]", path, i), p[i], a[i])...)
		}
		return out
	default:
		if p == "$any" || p == actual {
			return nil
		}
		return []string{fmt.Sprintf("%s = %v, want %v", path, actual, p)}
	}
}

func matchObject(path string, pattern map[string]any, actual any) []string {
	a, ok := actual.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s = %v, want an object", path, actual)}
	}
	var out []string
	for name, want := range pattern {
		got, present := a[name]
		if want == "$absent" {
			if present {
				out = append(out, fmt.Sprintf("%s.%s = %v, want it absent", path, name, got))
			}
			continue
		}
		if !present {
			out = append(out, fmt.Sprintf("%s.%s is absent, want %v", path, name, want))
			continue
		}
		out = append(out, match(path+"."+name, want, got)...)
	}
	return out
}
