package scim

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Times of TokenAuthenticator.
const (
	// tokenLife is the longest that a token read from the store is believed.
	tokenLife = time.Second
	// tokenRefresh is the age from which one request reads it again while the
	// others still use it, so that no wave of reads follows the end of its life.
	tokenRefresh = tokenLife / 2
	// touchEvery is how often the last use of a token is recorded.
	touchEvery = time.Minute
	// touchTimeout bounds the write of one last use.
	touchTimeout = 5 * time.Second
)

// maxCachedTokens bounds the cache; only live tokens get into it.
const maxCachedTokens = 4096

// TokenAuthenticatorConfig is what NewTokenAuthenticator needs. Store, Logger
// and Now are required.
type TokenAuthenticatorConfig struct {
	Store  TokenStore
	Owners OwnerStore // nil: users' own tokens are refused
	Logger *slog.Logger
	Now    func() time.Time
}

// TokenAuthenticator authenticates tokens. It remembers a token
// for at most one second, counted from before the store was asked, so that a
// revocation, an expiry or a confirmed mass removal takes effect on every node
// within a second. A user's own token is never remembered: what ends it is felt
// by its next request. Close it after the last request. Safe for concurrent use.
type TokenAuthenticator struct {
	store  TokenStore
	owners OwnerStore
	logger *slog.Logger
	now    func() time.Time

	mu      sync.RWMutex
	cache   map[[sha256.Size]byte]*cachedToken
	touched map[string]time.Time // by token id: the last use given to the writer

	touches chan touch
	stop    chan struct{}
	stopped chan struct{}
	once    sync.Once
}

var _ Authenticator = (*TokenAuthenticator)(nil)

// cachedToken is a live token as the store had it at read.
type cachedToken struct {
	caller     Caller
	expires    time.Time // zero: never
	lastUsed   time.Time
	read       time.Time
	refreshing atomic.Bool
}

// touch is one last use to record.
type touch struct {
	id string
	at time.Time
}

// NewTokenAuthenticator starts an authenticator. Its one goroutine writes last
// uses; Close ends it.
func NewTokenAuthenticator(cfg TokenAuthenticatorConfig) (*TokenAuthenticator, error) {
	if cfg.Store == nil || cfg.Logger == nil || cfg.Now == nil {
		return nil, errors.New("token authenticator: Store, Logger and Now are required")
	}
	a := &TokenAuthenticator{
		store:   cfg.Store,
		owners:  cfg.Owners,
		logger:  cfg.Logger,
		now:     cfg.Now,
		cache:   make(map[[sha256.Size]byte]*cachedToken),
		touched: make(map[string]time.Time),
		touches: make(chan touch, 256),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go a.writeTouches()
	return a, nil
}

// Close writes the last uses that are still waiting and ends the goroutine.
// Authenticate keeps working but records no more. Safe to call again.
func (a *TokenAuthenticator) Close() {
	a.once.Do(func() { close(a.stop) })
	<-a.stopped
}

// Authenticate implements Authenticator.
func (a *TokenAuthenticator) Authenticate(ctx context.Context, bearer string) (Caller, error) {
	now := a.now()
	// The secret has 256 random bits: looking it up by its hash tells an
	// attacker nothing by timing, and the whole secret must match.
	hash := sha256.Sum256([]byte(bearer))
	entry := a.cached(hash, now)
	if entry == nil {
		var err error
		if entry, err = a.load(ctx, hash, now); err != nil {
			return Caller{}, err
		}
	}
	if expired(entry.expires, now) {
		return Caller{}, invalidToken()
	}
	a.use(entry, now)
	return entry.caller, nil
}

// cached returns the entry to use without asking the store, or nil.
func (a *TokenAuthenticator) cached(hash [sha256.Size]byte, now time.Time) *cachedToken {
	a.mu.RLock()
	entry := a.cache[hash]
	a.mu.RUnlock()
	if entry == nil {
		return nil
	}
	age := now.Sub(entry.read)
	if age < 0 || age >= tokenLife {
		return nil
	}
	if age >= tokenRefresh && entry.refreshing.CompareAndSwap(false, true) {
		return nil
	}
	return entry
}

// load reads the token from the store and remembers it if it is live.
func (a *TokenAuthenticator) load(ctx context.Context, hash [sha256.Size]byte, now time.Time) (*cachedToken, error) {
	t, err := a.store.TokenByHash(ctx, hash[:])
	if errors.Is(err, ErrNotFound) {
		a.forget(hash)
		return nil, invalidToken()
	}
	if err != nil {
		return nil, fmt.Errorf("look up token: %w", err)
	}
	if !t.RevokedAt.IsZero() || expired(t.ExpiresAt, now) {
		a.forget(hash)
		return nil, invalidToken()
	}
	caller, err := t.caller()
	if err != nil {
		return nil, err
	}
	entry := &cachedToken{caller: caller, expires: t.ExpiresAt, lastUsed: t.LastUsedAt, read: now}
	if t.UserID != "" {
		return entry, a.checkOwner(ctx, t, now)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.prune(now)
	// A slower read that began earlier must not replace a younger answer.
	if old := a.cache[hash]; old == nil || !old.read.After(now) {
		a.cache[hash] = entry
	}
	return entry, nil
}

// checkOwner refuses a user's own token whose session has ended or whose user
// is inactive or gone, like any token that is not valid.
func (a *TokenAuthenticator) checkOwner(ctx context.Context, t *Token, now time.Time) error {
	if a.owners == nil {
		return invalidToken()
	}
	live, err := a.owners.OwnerLive(ctx, t.UserID, t.SessionID, now)
	if err != nil {
		return fmt.Errorf("look up session of token: %w", err)
	}
	if !live {
		return invalidToken()
	}
	return nil
}

func (a *TokenAuthenticator) forget(hash [sha256.Size]byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.cache, hash)
}

// prune drops what is too old to be used once there is much of it. The caller
// holds the lock.
func (a *TokenAuthenticator) prune(now time.Time) {
	if len(a.cache) >= maxCachedTokens {
		for hash, entry := range a.cache {
			if now.Sub(entry.read) >= tokenLife {
				delete(a.cache, hash)
			}
		}
	}
	if len(a.touched) >= maxCachedTokens {
		for id, at := range a.touched {
			if now.Sub(at) >= touchEvery {
				delete(a.touched, id)
			}
		}
	}
}

// use notes the use of a token, at most once a minute, without making the
// request wait: a full queue loses the note, and the next use makes another.
func (a *TokenAuthenticator) use(entry *cachedToken, now time.Time) {
	id := entry.caller.TokenID
	if now.Sub(entry.lastUsed) < touchEvery {
		return
	}
	a.mu.RLock()
	recent := now.Sub(a.touched[id]) < touchEvery
	a.mu.RUnlock()
	if recent {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.touched[id]) < touchEvery {
		return
	}
	select {
	case <-a.stop:
	case a.touches <- touch{id: id, at: now}:
		a.touched[id] = now
	default:
	}
}

// writeTouches writes last uses until Close, and then those still queued.
func (a *TokenAuthenticator) writeTouches() {
	defer close(a.stopped)
	for {
		select {
		case t := <-a.touches:
			a.write(t)
		case <-a.stop:
			for {
				select {
				case t := <-a.touches:
					a.write(t)
				default:
					return
				}
			}
		}
	}
}

func (a *TokenAuthenticator) write(t touch) {
	ctx, cancel := context.WithTimeout(context.Background(), touchTimeout)
	defer cancel()
	if err := a.store.TouchToken(ctx, t.id, t.at); err != nil {
		a.logger.WarnContext(ctx, "last use of a token not recorded", "token_id", t.id, "error", err)
	}
}

// expired reports whether a life that ends at end (zero: never) is over.
func expired(end, now time.Time) bool { return !end.IsZero() && !now.Before(end) }

// caller returns who the token speaks for.
func (t *Token) caller() (Caller, error) {
	profile, ok := ProfileByName(t.Profile)
	if !ok {
		return Caller{}, fmt.Errorf("token %s: no client profile %q", t.ID, t.Profile)
	}
	profile, err := profile.With(t.Overrides)
	if err != nil {
		return Caller{}, fmt.Errorf("token %s: %w", t.ID, err)
	}
	actor := "token"
	if t.UserID != "" {
		actor = "user"
	}
	return Caller{
		UserID:               t.UserID,
		SessionID:            t.SessionID,
		ClientID:             t.ClientID,
		PublicClient:         t.PublicClient,
		TokenID:              t.ID,
		Name:                 t.Name,
		Scopes:               t.Scopes,
		Profile:              &profile,
		Domain:               t.Domain,
		IgnorePasswords:      t.IgnorePasswords,
		ActorType:            actor,
		RemovalsAllowedUntil: t.RemovalsAllowedUntil,
	}, nil
}
