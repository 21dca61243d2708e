package remote_test

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
)

// Badge asks for the employee number of the user, read from its end.
type Badge struct{}

var _ authn.Authenticator = Badge{}

const number = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func of(u authn.User) string {
	enterprise, _ := u.Object[number].(schema.Object)
	text, _ := enterprise["employeeNumber"].(string)
	return text
}

func (Badge) Factor() acr.Factor { return "badge" }

func (Badge) Kind() authn.Kind {
	return authn.Kind{Category: acr.Knowledge, AMR: []string{"kba"}}
}

// Credentials: another number is another credential.
func (Badge) Credentials(_ context.Context, u authn.User, _ validation.Holdings) ([]authn.Credential, error) {
	if of(u) == "" {
		return nil, nil
	}
	sum := sha256.Sum256([]byte(u.ID + of(u)))
	return []authn.Credential{{Name: "badge:" + hex.EncodeToString(sum[:8]), Label: "Badge"}}, nil
}

// Start is not called: Kind.Starts is false.
func (Badge) Start(context.Context, authn.Attempt) (authn.Started, error) {
	return authn.Started{}, nil
}

func (Badge) Check(_ context.Context, a authn.Attempt, answer string) (authn.Verdict, error) {
	want := []byte(of(a.User))
	slices.Reverse(want)
	return authn.Verdict{Right: len(want) > 0 && subtle.ConstantTimeCompare(want, []byte(answer)) == 1}, nil
}

// Consume: a number counts as often as it is typed.
func (Badge) Consume(context.Context, authn.Attempt, authn.Verdict) error { return nil }

// TestGoExample holds the example of the documentation to the code above, which
// compiles and works.
func TestGoExample(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("badge_test.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/extending.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```go\n")
	example, _, _ = strings.Cut(example, "```")
	if example == "" || !strings.Contains(string(code), example) {
		t.Error("the Go example of docs/extending.md is not the code of this file")
	}
	u := authn.User{ID: "u", Object: schema.Object{number: schema.Object{"employeeNumber": "1234"}}}
	credentials, err := Badge{}.Credentials(t.Context(), u, validation.Holdings{})
	if err != nil || len(credentials) != 1 || !strings.HasPrefix(credentials[0].Name, "badge:") {
		t.Fatalf("credentials %v, %v", credentials, err)
	}
	for answer, want := range map[string]bool{"4321": true, "1234": false, "": false} {
		v, err := Badge{}.Check(t.Context(), authn.Attempt{User: u}, answer)
		if err != nil || v.Right != want {
			t.Errorf("%q is right: %v, %v", answer, v.Right, err)
		}
	}
	if v, err := (Badge{}).Check(t.Context(), authn.Attempt{}, ""); err != nil || v.Right {
		t.Error("nobody's answer is right")
	}
}
