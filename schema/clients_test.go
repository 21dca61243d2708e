package schema_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/sallyport-id/sallyport/schema"
)

// TestClientBodies accepts every user and group that the large provisioning
// systems really send, under the profile that is made for them, and refuses
// under rfc what the fixture says.
func TestClientBodies(t *testing.T) {
	t.Parallel()
	g := load(t, nil, nil)
	names, err := filepath.Glob("../testdata/clients/*/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	bodies := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sections := map[string]string{}
		for _, f := range txtar.Parse(data).Files {
			sections[f.Name] = string(f.Data)
		}
		rt, body := resourceBody(g, sections["request"])
		if rt == nil {
			continue
		}
		bodies++
		for profile, policy := range map[string]schema.Policy{"compat": compat, "rfc": rfc} {
			outcome, _, _ := strings.Cut(sections[profile], "\n")
			err := readBody(rt, body, policy)
			switch {
			case strings.HasPrefix(outcome, "20") && err != nil:
				t.Errorf("%s under %s = %v, want %s", name, profile, err, outcome)
			case outcome == "400 invalidSyntax" && err == nil:
				t.Errorf("%s under %s is accepted, want %s", name, profile, outcome)
			}
		}
	}
	if bodies < 10 {
		t.Errorf("found %d bodies in %d fixtures, want more", bodies, len(names))
	}
}

func readBody(rt *schema.ResourceType, body string, p schema.Policy) error {
	in, err := schema.Decode([]byte(body), schema.Limits{})
	if err != nil {
		return err
	}
	o, _, err := rt.Accept(in, p, schema.Limits{MaxElements: 1000})
	if err != nil {
		return err
	}
	return rt.Validate(o, p)
}

// resourceBody returns the type and body of a POST or PUT of a resource.
func resourceBody(g *schema.Registry, request string) (*schema.ResourceType, string) {
	head, body, _ := strings.Cut(request, "\n\n")
	method, path, _ := strings.Cut(head, " ")
	if method != "POST" && method != "PUT" {
		return nil, ""
	}
	path, _, _ = strings.Cut(path, "\n")
	path, _, _ = strings.Cut(strings.TrimPrefix(path, "/"), "?")
	endpoint, _, _ := strings.Cut(path, "/")
	return g.ByEndpoint(endpoint), body
}
