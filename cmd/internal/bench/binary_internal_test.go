package bench

import (
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPlainSourceImportsTheDependencies: once each, and neither Go's packages
// beyond those of hello nor our own.
func TestPlainSourceImportsTheDependencies(t *testing.T) {
	t.Parallel()
	source := plainSource([]string{"example.com/b", "strings", "net/http", modulePath + "/scim", "example.com/a", "example.com/b", "C"})
	f, err := parser.ParseFile(token.NewFileSet(), "plain.go", source, 0)
	if err != nil {
		t.Fatalf("%v in\n%s", err, source)
	}
	got := map[string]string{}
	for _, i := range f.Imports {
		path, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		got[path] = ""
		if i.Name != nil {
			got[path] = i.Name.Name
		}
	}
	want := map[string]string{"example.com/a": "_", "example.com/b": "_", "fmt": "", "io": "", "net": "", "net/http": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("imports (-want +got):\n%s", diff)
	}
	if len(f.Decls) != 2 {
		t.Errorf("%d declarations, want the imports and main", len(f.Decls))
	}
}
