package scim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// BrakeConfig sets the mass-removal brake. Zero fields take the default in the
// comment.
type BrakeConfig struct {
	Share      float64       // of the users that may go within Window: 0.20
	Population int64         // number of users from which the brake holds: 500
	Window     time.Duration // 1 h
	Off        bool          // no brake
}

func (c BrakeConfig) withDefaults() BrakeConfig {
	if c.Share <= 0 {
		c.Share = 0.20
	}
	if c.Population <= 0 {
		c.Population = 500
	}
	if c.Window <= 0 {
		c.Window = time.Hour
	}
	return c
}

// Brake stops a provisioning system that deactivates or deletes too large a
// share of the users: the accident of a changed sync rule, or a stolen token.
// Removals are counted per token in rows that all nodes share. The share is
// taken of the largest number of users that this node has seen during the
// window, so that deletions do not shrink their own measure: of the users in
// the domain of the token when these are many enough to be measured, else of
// all. Safe for concurrent use.
type Brake struct {
	cfg       BrakeConfig
	removals  RemovalStore
	resources ResourceStore
	user      *schema.ResourceType
	now       func() time.Time

	mu    sync.Mutex
	peaks map[string][]peak // by domain; "" is the whole directory
}

// peak is the largest number of users seen since at, until the next one began.
type peak struct {
	at    time.Time
	users int64
}

// peakSlices is into how many parts the window is cut for the peaks.
const peakSlices = 60

// NewBrake returns a brake over the users of the registry.
func NewBrake(cfg BrakeConfig, removals RemovalStore, resources ResourceStore, registry *schema.Registry, now func() time.Time) *Brake {
	return &Brake{
		cfg:       cfg.withDefaults(),
		removals:  removals,
		resources: resources,
		user:      registry.ByName("User"),
		now:       now,
		peaks:     make(map[string][]peak),
	}
}

// RemovalRefusedError is the refusal of the brake. It wraps the *Error for the
// client. The transaction in which Check failed must be rolled back, which
// undoes the count too; the event that Audit returns is then appended in a
// transaction of its own, so that it survives.
type RemovalRefusedError struct {
	refusal *Error
	event   audit.Event
}

// Error implements error.
func (e *RemovalRefusedError) Error() string { return "mass removal refused: " + e.refusal.Error() }

// Unwrap returns the *Error for the client.
func (e *RemovalRefusedError) Unwrap() error { return e.refusal }

// Audit returns the event removal.refused.
func (e *RemovalRefusedError) Audit() audit.Event { return e.event }

// Check counts n users that the caller deactivates or deletes. It must be
// called in the transaction of the change. *RemovalRefusedError when the caller
// has then removed more than the allowed share.
func (b *Brake) Check(ctx context.Context, caller Caller, n int) error {
	now := b.now().UTC()
	if b.cfg.Off || caller.Exempt || caller.TokenID == "" || n <= 0 {
		return nil
	}
	removed, err := b.removals.AddRemovals(ctx, caller.TokenID, n, now, now.Add(-b.cfg.Window))
	if err != nil {
		return fmt.Errorf("count removals: %w", err)
	}
	if now.Before(caller.RemovalsAllowedUntil) {
		return nil
	}
	users, err := b.population(ctx, caller.Domain, now)
	if err != nil {
		return fmt.Errorf("count users: %w", err)
	}
	if users < b.cfg.Population || float64(removed) <= b.cfg.Share*float64(users) {
		return nil
	}
	return b.refuse(caller, removed, users)
}

// population is the number of users that the removals of a token are a share
// of.
func (b *Brake) population(ctx context.Context, domain string, now time.Time) (int64, error) {
	if domain != "" {
		users, err := b.inDomain(ctx, domain, now)
		if err != nil || users >= b.cfg.Population {
			return users, err
		}
	}
	current, err := b.resources.Count(ctx, b.user)
	if err != nil {
		return 0, err
	}
	return b.largest("", current, now), nil
}

// inDomain is the largest number of users of a domain. Counting them reads the
// domain, so it is done once in a part of the window.
func (b *Brake) inDomain(ctx context.Context, domain string, now time.Time) (int64, error) {
	b.mu.Lock()
	known := b.peaks[domain]
	fresh := len(known) > 0 && now.Sub(known[len(known)-1].at) < b.cfg.Window/peakSlices
	b.mu.Unlock()
	if fresh {
		return b.largest(domain, 0, now), nil
	}
	page, err := b.resources.Query(ctx, Query{Sources: []Source{{Type: b.user}}, Domain: domain, Total: true})
	if err != nil {
		return 0, err
	}
	return b.largest(domain, page.Total, now), nil
}

// largest notes the number of users now and returns the largest of the window.
func (b *Brake) largest(domain string, users int64, now time.Time) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	peaks := b.peaks[domain]
	keep := peaks[:0]
	for _, p := range peaks {
		if now.Sub(p.at) < b.cfg.Window {
			keep = append(keep, p)
		}
	}
	if n := len(keep); n > 0 && now.Sub(keep[n-1].at) < b.cfg.Window/peakSlices {
		keep[n-1].users = max(keep[n-1].users, users)
	} else {
		keep = append(keep, peak{at: now, users: users})
	}
	b.peaks[domain] = keep
	most := users
	for _, p := range keep {
		most = max(most, p.users)
	}
	return most
}

func (b *Brake) refuse(caller Caller, removed, users int64) error {
	detail, err := json.Marshal(map[string]any{"removed": removed, "users": users, "window_seconds": int64(b.cfg.Window.Seconds())})
	if err != nil {
		return fmt.Errorf("encode audit detail: %w", err)
	}
	return &RemovalRefusedError{
		refusal: Errorf(http.StatusTooManyRequests, "",
			"This token would have deactivated or deleted %d of %d users within %s, more than is allowed without confirmation; an administrator confirms with: sallyport token allow-removals.",
			removed, users, b.cfg.Window).WithRetryAfter(b.cfg.Window),
		event: audit.Event{
			Name:      audit.RemovalRefused,
			Outcome:   audit.Refused,
			Reason:    "mass_removal",
			Actor:     audit.Party{Type: caller.ActorType, ID: caller.TokenID, Name: caller.Name},
			Target:    audit.Party{Type: "token", ID: caller.TokenID, Name: caller.Name},
			RequestID: caller.RequestID,
			IP:        caller.IP,
			UserAgent: caller.UserAgent,
			Detail:    detail,
		},
	}
}

// brake is Check for a change of a resource of any type: only users count.
func (s *Service) brake(ctx context.Context, caller Caller, rt *schema.ResourceType, n int) error {
	if rt != s.brakes.user {
		return nil
	}
	return s.brakes.Check(ctx, caller, n)
}
