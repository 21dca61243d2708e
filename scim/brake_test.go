package scim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// directoryOf makes n users and returns their ids.
func directoryOf(t *testing.T, s *server, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range n {
		ids[i] = s.user(fmt.Sprintf("user-%04d", i)).id()
	}
	return ids
}

// removeSome deletes and deactivates users by turns with different methods,
// until one is refused, and returns how many went.
func removeSome(t *testing.T, c *client, ids []string) (int, *response) {
	t.Helper()
	for i, id := range ids {
		var res *response
		switch i % 3 {
		case 0:
			res = c.Do(http.MethodDelete, "/Users/"+id, nil)
		case 1:
			res = c.Do(http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "active", false}))
		default:
			res = c.Do(http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}, "userName": "gone-" + id, "active": false})
		}
		if res.Status >= 300 {
			return i, res
		}
	}
	return len(ids), nil
}

// More than the share of the users within the window is refused, the refusal
// is audited although the change is rolled back, and an administrator lifts it.
func TestMassRemovalBrake(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{brake: scim.BrakeConfig{Population: 50}})
	ids := directoryOf(t, s, 60)
	sync := s.as(scim.NewToken{Name: "sync"})

	gone, res := removeSome(t, sync, ids)
	if gone != 12 { // 20 % of 60
		t.Fatalf("%d of 60 users went, want 12", gone)
	}
	if res.Status != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "3600" {
		t.Errorf("refusal = %d, Retry-After %q; want 429 and 3600", res.Status, res.Header.Get("Retry-After"))
	}
	checkError(t, res, 429, "", "13", "60", "administrator")
	s.want(http.StatusOK, http.MethodGet, "/Users/"+ids[12], nil)

	var refused []audit.Event
	for _, e := range s.events(sync.token.ID) {
		if e.Name == audit.RemovalRefused {
			refused = append(refused, e)
		}
	}
	if len(refused) != 1 || refused[0].Outcome != audit.Refused || refused[0].Reason != "mass_removal" || refused[0].Actor.ID != sync.token.ID {
		t.Fatalf("removal.refused events = %+v, want one", refused)
	}
	var detail map[string]any
	if err := json.Unmarshal(refused[0].Detail, &detail); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"removed": 13., "users": 60., "window_seconds": 3600.}, detail); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}

	// Changes that remove nobody still go through, and other tokens count apart.
	sync.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[20], patchOp([3]any{"replace", "title", "Guide"}))
	sync.user("joiner")
	if gone, _ := removeSome(t, s.as(scim.NewToken{Name: "other"}), ids[30:33]); gone != 3 {
		t.Errorf("another token removed %d of 3", gone)
	}

	// An administrator confirms; it works within a second and ends in time.
	by := audit.Party{Type: "command", Name: "root"}
	if _, err := s.tokens().AllowRemovals(t.Context(), "sync", s.clock.Now().Add(10*time.Minute), by); err != nil {
		t.Fatal(err)
	}
	s.clock.advance(time.Second)
	if gone, res := removeSome(t, sync, ids[12:18]); gone != 6 {
		t.Errorf("after the confirmation %d of 6 went: %s", gone, res.Body)
	}
	s.clock.advance(10 * time.Minute)
	if gone, _ := removeSome(t, sync, ids[18:19]); gone != 0 {
		t.Error("the confirmation did not end")
	}
	if names := s.eventNames(sync.token.ID); names[len(names)-2] != "removal.confirmed" {
		t.Errorf("events = %v, want removal.confirmed before the last refusal", names)
	}

	// The window moves on.
	s.clock.advance(2 * time.Hour)
	if gone, res := removeSome(t, sync, ids[18:22]); gone != 4 {
		t.Errorf("after the window %d of 4 went: %s", gone, res.Body)
	}
}

func TestBrakeSparesSmallDirectories(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{brake: scim.BrakeConfig{Population: 50}})
	ids := directoryOf(t, s, 20)
	if gone, res := removeSome(t, s.client, ids); gone != 20 {
		t.Errorf("%d of 20 went: %s", gone, res.Body)
	}
}

// Row 112: a token with a domain sees that domain only, and must not empty it
// because the directory around it is large; a domain too small to be measured
// counts as a part of the directory.
func TestBrakeMeasuresTheDomain(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ inside, outside, want int }{
		"large domain in a large directory":  {60, 240, 12},
		"small domain in a large directory":  {40, 60, 20},
		"small domain in a larger directory": {40, 200, 40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t, options{brake: scim.BrakeConfig{Population: 50}})
			directoryOf(t, s, tt.outside)
			sync := s.as(scim.NewToken{Name: "sync", Domain: "north"})
			ids := make([]string, tt.inside)
			for i := range ids {
				ids[i] = sync.user(fmt.Sprintf("north-%04d", i)).id()
			}
			gone, res := removeSome(t, sync, ids)
			if gone != tt.want {
				t.Errorf("%d of %d users went, want %d", gone, tt.inside, tt.want)
			}
			if tt.want < tt.inside && (res == nil || res.Status != http.StatusTooManyRequests) {
				t.Errorf("the refusal is %v, want 429", res)
			}
		})
	}
}

func TestBrakeOff(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{brake: scim.BrakeConfig{Population: 10, Off: true}})
	ids := directoryOf(t, s, 20)
	if gone, res := removeSome(t, s.client, ids); gone != 20 {
		t.Errorf("%d of 20 went: %s", gone, res.Body)
	}
}

// A user who is already inactive, or who is made active, is no removal.
func TestBrakeCountsRemovalsOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{brake: scim.BrakeConfig{Population: 10}})
	ids := directoryOf(t, s, 10)
	for range 10 {
		s.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[0], patchOp([3]any{"replace", "active", false}))
	}
	s.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[0], patchOp([3]any{"replace", "active", true}))
	for range 10 {
		s.want(http.StatusOK, http.MethodPatch, "/Users/"+ids[1], patchOp([3]any{"replace", "active", true}))
	}
	group := s.group("team")
	s.want(http.StatusNoContent, http.MethodDelete, "/Groups/"+group.id(), nil)
	s.want(http.StatusNoContent, http.MethodDelete, "/Users/"+ids[1], nil)
	s.refuse(429, "", http.MethodDelete, "/Users/"+ids[2], nil)
}

// countingStore is what the brake needs of a store.
type countingStore struct {
	scim.ResourceStore
	users, removed int64
}

func (c *countingStore) Count(context.Context, *schema.ResourceType) (int64, error) {
	return c.users, nil
}

func (c *countingStore) AddRemovals(_ context.Context, _ string, n int, _, _ time.Time) (int64, error) {
	c.removed += int64(n)
	return c.removed, nil
}

// By default the brake holds from 500 users, above 20 % within an hour.
func TestBrakeDefaults(t *testing.T) {
	t.Parallel()
	reg, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	caller := scim.Caller{TokenID: "t", ActorType: "token"}
	tests := map[string]struct {
		users int64
		n     int
		edit  func(*scim.Caller)
		ok    bool
	}{
		"499 users, all":           {499, 499, nil, true},
		"500 users, 20 %":          {500, 100, nil, true},
		"500 users, one more":      {500, 101, nil, false},
		"a million users, 20 %":    {1_000_000, 200_000, nil, true},
		"a million, one more":      {1_000_000, 200_001, nil, false},
		"a command":                {500, 400, func(c *scim.Caller) { c.Exempt = true }, true},
		"confirmed":                {500, 400, func(c *scim.Caller) { c.RemovalsAllowedUntil = now.Now().Add(time.Second) }, true},
		"confirmed until now":      {500, 400, func(c *scim.Caller) { c.RemovalsAllowedUntil = now.Now() }, false},
		"nothing removed":          {500, 0, nil, true},
		"no token, as in a import": {500, 400, func(c *scim.Caller) { c.TokenID = "" }, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := &countingStore{users: tt.users}
			b := scim.NewBrake(scim.BrakeConfig{}, store, store, reg, now.Now)
			c := caller
			if tt.edit != nil {
				tt.edit(&c)
			}
			err := b.Check(t.Context(), c, tt.n)
			if (err == nil) != tt.ok {
				t.Errorf("Check(%d of %d) = %v, want allowed %v", tt.n, tt.users, err, tt.ok)
			}
			if err != nil && scim.AsError(err).Status != http.StatusTooManyRequests {
				t.Errorf("Check = %v, want 429", err)
			}
		})
	}
}

// Deletions shrink the directory; the share is of what it was.
func TestBrakeMeasuresTheLargestPopulation(t *testing.T) {
	t.Parallel()
	reg, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	store := &countingStore{users: 1000}
	b := scim.NewBrake(scim.BrakeConfig{}, store, store, reg, now.Now)
	deleted := 0
	for b.Check(t.Context(), scim.Caller{TokenID: "t"}, 1) == nil {
		deleted++
		store.users--
		now.advance(10 * time.Second)
	}
	if deleted != 200 {
		t.Errorf("%d of 1000 deleted, want 200", deleted)
	}
	// An hour later the directory of that time no longer counts.
	now.advance(time.Hour)
	store.users, store.removed = 499, 0
	if err := b.Check(t.Context(), scim.Caller{TokenID: "t"}, 499); err != nil {
		t.Errorf("a directory below the least population: %v", err)
	}
}
