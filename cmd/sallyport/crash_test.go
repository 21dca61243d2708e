package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// crashes is how often TestKillNine ends the server, clients how many write.
const (
	crashes      = 20
	crashClients = 8
	acksPerRound = 60
)

// created is what one client has been told, and what it had asked for when the
// server died.
type created struct {
	sync.Mutex
	acknowledged map[string]string // id -> userName
	asked        map[string]bool   // userName
}

// TestKillNine ends the server with SIGKILL twenty times while clients create
// users. Every create that was answered 201 is there after the restart, nothing
// is half written, and the start needs no repair.
func TestKillNine(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "SALLYPORT_DATA="+t.TempDir())
	seen := &created{acknowledged: map[string]string{}, asked: map[string]bool{}}
	p.start(t)
	token := p.command(t, "token", "create", "--name", "crash")
	for round := range crashes {
		createUntilKilled(t, p, token, round, seen)
		p.start(t)
	}
	checkCreated(t, p, token, seen)
	p.command(t, "doctor")
}

// createUntilKilled lets the clients write and kills the server after so many
// acknowledgements.
func createUntilKilled(t *testing.T, p *process, token string, round int, seen *created) {
	t.Helper()
	var acks atomic.Int64
	enough := make(chan struct{})
	var clients sync.WaitGroup
	for client := range crashClients {
		clients.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("crash-%d-%d-%d", round, client, i)
				seen.Lock()
				seen.asked[name] = true
				seen.Unlock()
				status, _, body := p.send(t.Context(), http.MethodPost, "/scim/v2/Users", token,
					`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"`+name+`","title":"survives"}`, nil)
				if status == 0 {
					return
				}
				var user struct {
					ID       string `json:"id"`
					UserName string `json:"userName"`
				}
				if status != http.StatusCreated || json.Unmarshal(body, &user) != nil {
					t.Errorf("create %s: answered %d %s, want 201", name, status, body)
					return
				}
				seen.Lock()
				seen.acknowledged[user.ID] = user.UserName
				seen.Unlock()
				if acks.Add(1) == acksPerRound {
					close(enough)
				}
			}
		})
	}
	select {
	case <-enough:
	case <-t.Context().Done():
	}
	p.kill()
	clients.Wait()
}

func checkCreated(t *testing.T, p *process, token string, seen *created) {
	t.Helper()
	found := listUsers(t, p, token)
	for id, name := range seen.acknowledged {
		if found[id] != name {
			t.Errorf("user %s (%s) was answered 201 and is lost", name, id)
		}
	}
	for id, name := range found {
		if !seen.asked[name] {
			t.Errorf("user %q (%s) is there and nobody asked for it", name, id)
		}
	}
	if len(seen.acknowledged) < crashes*acksPerRound {
		t.Errorf("%d creates were acknowledged, want at least %d", len(seen.acknowledged), crashes*acksPerRound)
	}
}

// listUsers reads every user by cursor and checks that each one is whole.
func listUsers(t *testing.T, p *process, token string) map[string]string {
	t.Helper()
	found := map[string]string{}
	cursor := ""
	for {
		status, _, body := p.send(context.Background(), http.MethodGet, "/scim/v2/Users?count=500&cursor="+cursor, token, "", nil)
		var page struct {
			NextCursor string `json:"nextCursor"`
			Resources  []struct {
				ID       string `json:"id"`
				UserName string `json:"userName"`
				Title    string `json:"title"`
			} `json:"Resources"`
		}
		if err := json.Unmarshal(body, &page); status != http.StatusOK || err != nil {
			t.Fatalf("list: answered %d %s (%v)", status, body, err)
		}
		for _, user := range page.Resources {
			if user.Title != "survives" {
				t.Errorf("user %s is half written: title %q", user.ID, user.Title)
			}
			found[user.ID] = user.UserName
		}
		if page.NextCursor == "" {
			return found
		}
		cursor = page.NextCursor
	}
}
