package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

const (
	soakClients = 32
	soakNames   = 40
	soakGroups  = 4
	soakOwned   = 3 // members of each group that one client alone adds and removes
)

// soak is a long parallel load on two nodes and what was learnt from it.
type soak struct {
	nodes  []*process
	token  string
	groups []string

	mu sync.Mutex
	// bodies remembers what each ETag of each resource stood for.
	bodies map[string][32]byte
	faults []string
}

// TestTwoNodes lets 32 clients create, change and delete the same names and
// groups on two servers over one PostgreSQL, for SALLYPORT_TEST_SOAK (default
// 8s). Afterwards no user name is there twice, no member is lost, nothing was
// answered 5xx, and no ETag stood for two contents.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	length := 8 * time.Second
	if text := os.Getenv("SALLYPORT_TEST_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatalf("SALLYPORT_TEST_SOAK: %v", err)
		}
		length = d
	}
	url := storagetest.Postgres(t).Config.URL
	key := server.NewMasterKey()
	s := &soak{bodies: map[string][32]byte{}}
	for range 2 {
		p := newProcess(t, "SALLYPORT_DATA="+t.TempDir(), "SALLYPORT_DATABASE_URL="+url, "SALLYPORT_MASTER_KEY="+key)
		s.nodes = append(s.nodes, p)
	}
	var starting sync.WaitGroup
	for _, p := range s.nodes {
		starting.Go(func() { p.start(t) })
	}
	starting.Wait()
	if t.Failed() {
		return
	}
	s.token = s.nodes[0].command(t, "token", "create", "--name", "soak", "--scope", "scim:admin")
	owned := s.prepare(t)

	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	expected := make([]map[string]bool, soakClients)
	var clients sync.WaitGroup
	for client := range soakClients {
		clients.Go(func() { expected[client] = s.client(ctx, client, owned[client]) })
	}
	clients.Wait()
	s.check(t, owned, expected)
}

func (s *soak) fault(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) < 20 {
		s.faults = append(s.faults, fmt.Sprintf(format, args...))
	}
}

// send makes one request at one of the nodes and judges what every answer must
// fulfil. Status 0: the load is over.
func (s *soak) send(ctx context.Context, node int, method, path, body string, header http.Header) (int, http.Header, map[string]any) {
	status, head, answer := s.nodes[node].send(ctx, method, path, s.token, body, header)
	if status == 0 {
		if ctx.Err() == nil {
			s.fault("%s %s: no answer from node %d", method, path, node)
		}
		return 0, nil, nil
	}
	if status >= 500 {
		s.fault("%s %s: %d %s", method, path, status, answer)
	}
	var parsed map[string]any
	_ = json.Unmarshal(answer, &parsed)
	if tag := head.Get("ETag"); tag != "" && status < 300 && len(answer) > 0 {
		s.remember(tag, answer, parsed)
	}
	return status, head, parsed
}

// remember checks that one ETag of one resource stands for one content.
func (s *soak) remember(tag string, answer []byte, parsed map[string]any) {
	delete(parsed, "groups") // not covered by the user's ETag
	if meta, ok := parsed["meta"].(map[string]any); ok {
		if meta["version"] != tag {
			s.fault("meta.version %v is not the ETag %s", meta["version"], tag)
		}
		delete(meta, "location") // names the node
	}
	if members, ok := parsed["members"].([]any); ok {
		for _, m := range members {
			delete(m.(map[string]any), "$ref")
		}
	}
	text, err := json.Marshal(parsed)
	if err != nil {
		s.fault("marshal %s: %v", answer, err)
		return
	}
	id := fmt.Sprint(parsed["id"], " ", tag)
	s.mu.Lock()
	before, known := s.bodies[id]
	s.bodies[id] = sha256.Sum256(text)
	s.mu.Unlock()
	if known && before != sha256.Sum256(text) {
		s.fault("%s stands for two contents; one is %s", id, text)
	}
}

// prepare makes the groups and, for each client, users of its own.
func (s *soak) prepare(t *testing.T) [][]string {
	t.Helper()
	for g := range soakGroups {
		_, _, group := s.send(t.Context(), g%2, http.MethodPost, "/scim/v2/Groups", fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"soak %d"}`, g), nil)
		s.groups = append(s.groups, group["id"].(string))
	}
	owned := make([][]string, soakClients)
	for client := range soakClients {
		for i := range soakOwned {
			_, _, user := s.send(t.Context(), client%2, http.MethodPost, "/scim/v2/Users", userBody(fmt.Sprintf("owned-%d-%d", client, i)), nil)
			owned[client] = append(owned[client], user["id"].(string))
		}
	}
	return owned
}

func userBody(name string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `"}`
}

// client works until the load ends and returns which of its own users it has
// left in which group (group/user).
func (s *soak) client(ctx context.Context, client int, owned []string) map[string]bool {
	random := rand.New(rand.NewPCG(uint64(client), 1))
	expected := map[string]bool{}
	ids := map[string]string{} // userName -> last known id
	for ctx.Err() == nil {
		node := random.IntN(2)
		name := fmt.Sprintf("shared-%d", random.IntN(soakNames))
		switch random.IntN(6) {
		case 0:
			s.create(ctx, node, name, ids)
		case 1:
			s.change(ctx, node, ids[name], random)
		case 2:
			s.remove(ctx, node, ids[name])
		default:
			s.membership(ctx, node, owned[random.IntN(len(owned))], ids[name], random, expected)
		}
	}
	return expected
}

func (s *soak) create(ctx context.Context, node int, name string, ids map[string]string) {
	if strings.HasSuffix(name, "7") {
		name = strings.ToUpper(name) // the case must not matter
	}
	status, _, user := s.send(ctx, node, http.MethodPost, "/scim/v2/Users", userBody(name), nil)
	switch status {
	case http.StatusCreated:
		ids[strings.ToLower(name)] = user["id"].(string)
	case http.StatusConflict:
		_, _, list := s.send(ctx, node, http.MethodGet, "/scim/v2/Users?filter=userName%20eq%20%22"+name+"%22", "", nil)
		if found, _ := list["Resources"].([]any); len(found) == 1 {
			ids[strings.ToLower(name)] = found[0].(map[string]any)["id"].(string)
		} else if len(found) > 1 {
			s.fault("%s is there %d times", name, len(found))
		}
	case 0:
	default:
		s.fault("create %s: %d %v", name, status, user)
	}
}

// change reads a user and changes it under the ETag that it read: a lost update
// would leave a version that does not follow.
func (s *soak) change(ctx context.Context, node int, id string, random *rand.Rand) {
	if id == "" {
		return
	}
	status, head, _ := s.send(ctx, node, http.MethodGet, "/scim/v2/Users/"+id, "", nil)
	if status != http.StatusOK {
		return
	}
	tag := head.Get("ETag")
	body := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"title","value":"title %d"}]}`, random.Uint64())
	status, head, _ = s.send(ctx, 1-node, http.MethodPatch, "/scim/v2/Users/"+id, body, http.Header{"If-Match": {tag}})
	var before, after int
	if status == http.StatusOK {
		_, _ = fmt.Sscanf(tag, `W/"%d"`, &before)
		_, _ = fmt.Sscanf(head.Get("ETag"), `W/"%d"`, &after)
		if after != before+1 {
			s.fault("PATCH under %s answered %s", tag, head.Get("ETag"))
		}
	}
	if !slices.Contains([]int{0, http.StatusOK, http.StatusNotFound, http.StatusPreconditionFailed}, status) {
		s.fault("change %s: %d", id, status)
	}
}

func (s *soak) remove(ctx context.Context, node int, id string) {
	if id == "" {
		return
	}
	status, _, _ := s.send(ctx, node, http.MethodDelete, "/scim/v2/Users/"+id, "", nil)
	if !slices.Contains([]int{0, http.StatusNoContent, http.StatusNotFound}, status) {
		s.fault("delete %s: %d", id, status)
	}
}

// membership adds or removes a user that only this client moves, and now and
// then adds a shared one that may be gone.
func (s *soak) membership(ctx context.Context, node int, own, shared string, random *rand.Rand, expected map[string]bool) {
	group := s.groups[random.IntN(len(s.groups))]
	key := group + "/" + own
	op := `{"op":"add","path":"members","value":[{"value":"` + own + `"}]}`
	if expected[key] {
		op = `{"op":"remove","path":"members[value eq \"` + own + `\"]"}`
	}
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + op + `]}`
	// The answer is awaited even when time is up, so that the state is known.
	status, _, answer := s.send(context.WithoutCancel(ctx), node, http.MethodPatch, "/scim/v2/Groups/"+group, body, nil)
	if status/100 != 2 {
		s.fault("membership: %d %v", status, answer)
		return
	}
	expected[key] = !expected[key]
	if shared != "" && random.IntN(4) == 0 {
		body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":"` + shared + `"}]}]}`
		if status, _, answer := s.send(ctx, node, http.MethodPatch, "/scim/v2/Groups/"+group, body, nil); !slices.Contains([]int{0, 200, 204, 400}, status) {
			s.fault("add shared member: %d %v", status, answer)
		}
	}
}

func (s *soak) check(t *testing.T, owned [][]string, expected []map[string]bool) {
	t.Helper()
	for _, fault := range s.faults {
		t.Error(fault)
	}
	names := map[string]bool{}
	ids := map[string]bool{}
	for start := 1; ; start += 500 {
		_, _, list := s.send(t.Context(), 0, http.MethodGet, fmt.Sprintf("/scim/v2/Users?count=500&startIndex=%d", start), "", nil)
		users, _ := list["Resources"].([]any)
		for _, u := range users {
			user := u.(map[string]any)
			name := strings.ToLower(user["userName"].(string))
			if names[name] {
				t.Errorf("user name %s is there twice", name)
			}
			names[name] = true
			ids[user["id"].(string)] = true
		}
		if len(users) < 500 {
			break
		}
	}
	for _, group := range s.groups {
		s.checkGroup(t, group, ids, owned, expected)
	}
	if len(s.faults) == 0 && t.Failed() {
		for i, p := range s.nodes {
			t.Logf("node %d said:\n%s", i, p.log)
		}
	}
}

func (s *soak) checkGroup(t *testing.T, group string, ids map[string]bool, owned [][]string, expected []map[string]bool) {
	t.Helper()
	_, _, answer := s.send(t.Context(), 1, http.MethodGet, "/scim/v2/Groups/"+group, "", nil)
	members := map[string]bool{}
	list, _ := answer["members"].([]any)
	for _, m := range list {
		id := m.(map[string]any)["value"].(string)
		members[id] = true
		if !ids[id] {
			t.Errorf("group %s has member %s that is no user", group, id)
		}
	}
	for client, users := range owned {
		for _, user := range users {
			if members[user] != expected[client][group+"/"+user] {
				t.Errorf("group %s has member %s: %v, want %v", group, user, members[user], expected[client][group+"/"+user])
			}
		}
	}
}
