package servertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

const (
	largeGroup = 10_000 // members, the most that one request may carry
	bulkStep   = 1_000
)

// TestLargeGroupLife leads a group of 10,000 members through its life in the
// shapes of the clients: Okta pushes the full list, Entra adds and removes,
// SailPoint puts the whole group, a leaver is deleted.
func TestLargeGroupLife(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		l := &largeGroupLife{s: s, token: s.Token(t, "compat")}
		l.joiners(t)
		l.group = l.post(t, "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"everybody"}`)

		l.patch(t, `{"op":"replace","path":"members","value":[`+values(l.ids)+`]}`)
		l.count(t, largeGroup)

		l.patch(t, `{"op":"Remove","path":"members","value":[`+values(l.ids[:50])+`]}`)
		l.count(t, largeGroup-50)
		l.patch(t, `{"op":"remove","path":"members[value eq \"`+l.ids[50]+`\"]"}`, `{"op":"add","path":"members","value":[`+values(l.ids[:50])+`]}`)
		l.count(t, largeGroup-1)
		l.patch(t, `{"op":"replace","value":{"id":"`+l.group+`","displayName":"all of us"}}`)
		l.count(t, largeGroup-1)

		l.put(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"all of us","members":[`+values(l.ids)+`]}`)
		l.count(t, largeGroup)

		if r := l.s.Do(t, http.MethodDelete, "/scim/v2/Users/"+l.ids[7], l.token, ""); r.Status != http.StatusNoContent {
			t.Fatalf("delete the leaver: %d %s", r.Status, r.Body)
		}
		l.count(t, largeGroup-1)

		r := l.s.Do(t, http.MethodGet, "/scim/v2/Groups/"+l.group+"?excludedAttributes=members", l.token, "")
		if r.Status != http.StatusOK || strings.Contains(r.Body, "members") {
			t.Errorf("group without members: %d %s", r.Status, r.Body)
		}
		l.patch(t, `{"op":"replace","path":"members","value":[]}`)
		l.count(t, 0)
	})
}

type largeGroupLife struct {
	s     *servertest.Server
	token string
	group string
	ids   []string
}

// joiners creates the users by Bulk.
func (l *largeGroupLife) joiners(t *testing.T) {
	t.Helper()
	for start := 0; start < largeGroup; start += bulkStep {
		var operations []string
		for i := range bulkStep {
			operations = append(operations, fmt.Sprintf(`{"method":"POST","path":"/Users","bulkId":"u%d","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"joiner-%d"}}`, i, start+i))
		}
		r := l.s.Do(t, http.MethodPost, "/scim/v2/Bulk", l.token, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[`+strings.Join(operations, ",")+`]}`)
		var reply struct {
			Operations []struct {
				Location string `json:"location"`
				Status   string `json:"status"`
			} `json:"Operations"`
		}
		if err := json.Unmarshal([]byte(r.Body), &reply); r.Status != http.StatusOK || err != nil || len(reply.Operations) != bulkStep {
			t.Fatalf("bulk: %d %.300s (%v)", r.Status, r.Body, err)
		}
		for _, op := range reply.Operations {
			if op.Status != "201" {
				t.Fatalf("bulk operation: %+v", op)
			}
			l.ids = append(l.ids, op.Location[strings.LastIndex(op.Location, "/")+1:])
		}
	}
}

func (l *largeGroupLife) post(t *testing.T, path, body string) string {
	t.Helper()
	r := l.s.Do(t, http.MethodPost, "/scim/v2"+path, l.token, body)
	var reply struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(r.Body), &reply); r.Status != http.StatusCreated || err != nil {
		t.Fatalf("POST %s: %d %s (%v)", path, r.Status, r.Body, err)
	}
	return reply.ID
}

func (l *largeGroupLife) patch(t *testing.T, operations ...string) {
	t.Helper()
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(operations, ",") + `]}`
	if r := l.s.Do(t, http.MethodPatch, "/scim/v2/Groups/"+l.group, l.token, body); r.Status != http.StatusNoContent {
		t.Fatalf("PATCH %.100s: %d %.300s", operations[0], r.Status, r.Body)
	}
}

func (l *largeGroupLife) put(t *testing.T, body string) {
	t.Helper()
	if r := l.s.Do(t, http.MethodPut, "/scim/v2/Groups/"+l.group, l.token, body); r.Status != http.StatusOK {
		t.Fatalf("PUT: %d %.300s", r.Status, r.Body)
	}
}

// count reads the group and compares the number of members.
func (l *largeGroupLife) count(t *testing.T, want int) {
	t.Helper()
	r := l.s.Do(t, http.MethodGet, "/scim/v2/Groups/"+l.group, l.token, "")
	var reply struct {
		Members []struct {
			Value string `json:"value"`
		} `json:"members"`
	}
	if err := json.Unmarshal([]byte(r.Body), &reply); err != nil || len(reply.Members) != want {
		t.Fatalf("group has %d members, want %d (%d, %v)", len(reply.Members), want, r.Status, err)
	}
}

func values(ids []string) string {
	return `{"value":"` + strings.Join(ids, `"},{"value":"`) + `"}`
}
