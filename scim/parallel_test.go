package scim_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// Rows 31, 81, 106, 107: writers that add, remove and delete the same members
// and names at once neither fail inside, lose a member, nor leave one behind.
func TestParallelMembersAndDeletes(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	const users, groups, writers = 12, 3, 8
	ids := people(s.client, users)
	teams := make([]string, groups)
	for i := range teams {
		teams[i] = s.group(fmt.Sprintf("team %d", i)).id()
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range 20 {
				group, user := "/Groups/"+teams[(w+i)%groups], ids[(w*5+i)%users]
				var res *response
				switch (w + i) % 4 {
				case 0, 1:
					res = s.Do(http.MethodPatch, group, patchOp([3]any{"add", "members", memberList(user)}))
				case 2:
					res = s.Do(http.MethodPatch, group, patchOp([3]any{"remove", `members[value eq "` + user + `"]`, nil}))
				default:
					res = s.Do(http.MethodPatch, "/Users/"+user, patchOp([3]any{"replace", "title", fmt.Sprint(w, i)}))
				}
				if i == 10 && w < users {
					res = s.Do(http.MethodDelete, "/Users/"+ids[w], nil)
				}
				// A member may be gone already (400 or 404); nothing else may go wrong.
				switch res.Status {
				case http.StatusOK, http.StatusNoContent, http.StatusNotFound, http.StatusBadRequest:
				default:
					t.Errorf("writer %d: %d %s\n%s", w, res.Status, res.Body, s.logs)
				}
			}
		})
	}
	wg.Wait()
	for _, team := range teams {
		got := s.want(http.StatusOK, http.MethodGet, "/Groups/"+team, nil)
		for _, id := range idsIn(got.at("members")) {
			user := s.Do(http.MethodGet, "/Users/"+id, nil)
			if user.Status != http.StatusOK {
				t.Errorf("%s is a member and answers %d", id, user.Status)
			} else if !strings.Contains(string(user.Body), team) {
				t.Errorf("%s is a member of %s and does not say so: %s", id, team, user.Body)
			}
		}
	}
}

// Rows 106, 107: one entity tag of a group always shows the same members,
// whoever asks while others change it.
func TestRow107_OneTagOneContent(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	ids := people(s.client, 8)
	g := s.group("one tag").id()
	var mu sync.Mutex
	seen := map[string]string{}
	note := func(tag, members string) {
		mu.Lock()
		defer mu.Unlock()
		if was, ok := seen[tag]; ok && was != members {
			t.Errorf("%s shows %s and %s", tag, was, members)
		}
		seen[tag] = members
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 25 {
				op := [3]any{"add", "members", memberList(ids[(w+i)%8])}
				if i%2 == 1 {
					op = [3]any{"remove", "members", memberList(ids[(w+i*3)%8])}
				}
				res := s.want(http.StatusOK, http.MethodPatch, "/Groups/"+g, patchOp(op), "Prefer", "return=representation")
				note(res.etag(), fmt.Sprint(idsIn(res.at("members"))))
			}
		})
		wg.Go(func() {
			for range 25 {
				res := s.want(http.StatusOK, http.MethodGet, "/Groups/"+g, nil)
				note(res.etag(), fmt.Sprint(idsIn(res.at("members"))))
				list := s.want(http.StatusOK, http.MethodGet, "/Groups", nil).resources()[0]
				note(list["meta"].(map[string]any)["version"].(string), fmt.Sprint(idsIn(list["members"])))
			}
		})
	}
	wg.Wait()
	if len(seen) < 10 {
		t.Errorf("only %d versions seen", len(seen))
	}
}
