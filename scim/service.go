package scim

import (
	"context"
	"crypto/cipher"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// PasswordSetter hashes passwords and keeps the hashes.
type PasswordSetter interface {
	// Hash returns the encoded hash (PHC string) of a password. It is slow on
	// purpose and is called outside transactions. An *Error with status 400
	// refuses the password; its detail never quotes it. user is the document of
	// the user as it will be, for the names that are no passwords.
	Hash(ctx context.Context, password string, user schema.Object) (string, error)
	PasswordStore
}

// Config is what a Service needs. Registry, Resources, Members, Passwords,
// Audit, Removals, Auth, BaseURLs and CursorKey are required.
type Config struct {
	Registry  *schema.Registry
	Resources ResourceStore
	Members   MemberStore
	Passwords PasswordSetter
	Audit     audit.Log
	History   audit.Reader // for Restore; nil: Restore answers 501
	Removals  RemovalStore
	Auth      Authenticator

	// BaseURLs are the public bases of the service, such as
	// "https://id.example.com/scim/v2". The one whose host the request was
	// sent to is used in locations, the first one otherwise.
	BaseURLs []string
	// Authority returns the host that the client addressed; nil: the Host
	// header. See FrontAuthority for servers behind a proxy.
	Authority func(*http.Request) string
	// DefaultProfile is the client profile of discovery without a token;
	// "" is compat.
	DefaultProfile string
	// Limits bounds requests; the zero value takes the defaults.
	Limits Limits
	// CursorKey (32 bytes) seals cursors; the same on every node.
	CursorKey []byte
	// Brake bounds mass removal; the zero value takes the defaults.
	Brake BrakeConfig
	// OnDeactivate, if set, is called in the transaction that deactivates or
	// deletes a user, to end their logins and tokens (IPSIE AL1). Its error
	// rolls the change back.
	OnDeactivate func(ctx context.Context, userID string) error
	// OnPassword, if set, is called in the transaction of a PUT or PATCH that
	// sets or removes the password of a user, to end the logins made with the
	// one before. before is the user's document as it was. Its error
	// rolls the change back.
	OnPassword func(ctx context.Context, caller Caller, userID string, before schema.Object) error
	// Guard, if set, may refuse changes of users.
	Guard Guard
	// SelfWritable are the attributes that users may write in their own record
	// beside secondFactorEnabled and FactorPaths; nil: name, displayName,
	// nickName, preferredLanguage, locale, timezone.
	SelfWritable []string
	// FactorPaths are the attribute paths of second factors; nil:
	// secondFactorEmail and secondFactorPhoneNumber.
	FactorPaths []string
	// OnUserChange, if set, is called in the transaction of every change of a
	// user's document, by whatever route: created (before is nil), replaced,
	// patched, restored (before is nil), deleted (after is nil). Its error rolls
	// the change back. It must not change the objects.
	OnUserChange func(ctx context.Context, caller Caller, userID string, before, after schema.Object) error

	Logger *slog.Logger     // nil: none
	Now    func() time.Time // required: the clock
}

// Service is the SCIM service. Safe for concurrent use.
type Service struct {
	cfg     Config
	limits  Limits
	log     *slog.Logger
	profile *Profile // of callers without one, and of discovery
	bases   []base
	types   map[*schema.ResourceType]*typeInfo
	cursors cipher.AEAD
	buffers buffers
	self    []attributePath // what users may write in their own record
	protocol
}

// typeInfo is what the operations look up on every request of a type.
type typeInfo struct {
	relation *schema.Ref // Group.members
	derived  *schema.Ref // User.groups
	meta     *schema.Ref
	user     bool // the User type: "active" and "password" have a meaning
	events   eventNames
}

// New checks the configuration and returns a Service; all faults at once.
func New(cfg Config) (*Service, error) {
	s := &Service{cfg: cfg, limits: cfg.Limits.withDefaults(), log: cfg.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.cfg.Limits = s.limits
	if err := cfg.check(); err != nil {
		return nil, err
	}
	var err error
	if s.cursors, err = newCursorAEAD(cfg.CursorKey); err != nil {
		return nil, err
	}
	for _, u := range cfg.BaseURLs {
		b, err := parseBase(u)
		if err != nil {
			return nil, err
		}
		s.bases = append(s.bases, b)
	}
	name := cfg.DefaultProfile
	if name == "" {
		name = ProfileCompat
	}
	p, ok := ProfileByName(name)
	if !ok {
		return nil, fmt.Errorf("default profile %q does not exist", name)
	}
	s.profile = &p
	s.types = make(map[*schema.ResourceType]*typeInfo)
	for _, rt := range cfg.Registry.Types() {
		s.types[rt] = describe(rt)
	}
	if s.self, err = selfPaths(cfg); err != nil {
		return nil, err
	}
	if s.protocol, err = newProtocol(s.cfg); err != nil {
		return nil, err
	}
	return s, nil
}

// check reports every missing field.
func (cfg Config) check() error {
	var errs []error
	need := func(ok bool, field string) {
		if !ok {
			errs = append(errs, errors.New("scim: "+field+" is required"))
		}
	}
	need(cfg.Registry != nil, "Registry")
	need(cfg.Resources != nil, "Resources")
	need(cfg.Members != nil, "Members")
	need(cfg.Passwords != nil, "Passwords")
	need(cfg.Audit != nil, "Audit")
	need(cfg.Removals != nil, "Removals")
	need(cfg.Auth != nil, "Auth")
	need(len(cfg.BaseURLs) > 0, "BaseURLs")
	need(cfg.Now != nil, "Now")
	return errors.Join(errs...)
}

// describe finds the attributes of a type that do not live in its document.
func describe(rt *schema.ResourceType) *typeInfo {
	info := &typeInfo{events: eventsOf(rt.Name)}
	for _, ref := range rt.Attributes() {
		if ref.Attr == nil {
			continue
		}
		switch {
		case ref.URN == "" && ref.Attr.Name == "meta":
			info.meta = &ref
		case ref.Attr.Relation:
			info.relation = &ref
		case ref.Attr.Derived:
			info.derived = &ref
		}
	}
	info.user = rt.Name == userType
	return info
}

// Names of the resource types that have rules of their own.
const (
	userType  = "User"
	groupType = "Group"
)

// Request is what an operation needs besides its body.
type Request struct {
	// Projection is what the client asked to see; nil is the default.
	Projection *schema.Projection
	// IfMatch and IfNoneMatch are the header values, "" when absent
	// (RFC 7644 section 3.14).
	IfMatch, IfNoneMatch string
	// Base is the public base URL for locations; "" is the first one.
	Base string
	// Prefer is the client's preference for the answer of a PATCH.
	Prefer Preference
	// ID is the id that Create gives the resource, a lower-case UUID; "" makes
	// a new one. Only commands may choose (an import keeps the ids of an
	// export); from any other caller it is ignored (RFC 7643 section 3.1).
	ID string
	// Proved is set by package validation when it writes the value that a user
	// has just proved to hold: the rules of self-service and the Guard were
	// asked when the proof was requested.
	Proved bool
}

// Preference is the "return" preference of RFC 7240 section 4.2.
type Preference string

// The preferences for the answer to a change.
const (
	PreferNothing        Preference = ""
	PreferMinimal        Preference = "minimal"
	PreferRepresentation Preference = "representation"
)

// Resource is the answer of an operation on one resource.
type Resource struct {
	// Status is the HTTP status: 200, 201, 204 or 304.
	Status int
	ID     string
	// Version is the entity tag, W/"<n>".
	Version string
	// Location is the absolute URL of the resource.
	Location string
	// Body is the complete JSON to send; nil with 204 and 304.
	Body []byte
	// Changed is false when the request asked for what was already so.
	Changed bool
	// Dropped counts attributes of the input that no schema defines.
	Dropped int
}

// profileOf returns the caller's client profile.
func (s *Service) profileOf(caller Caller) *Profile {
	if caller.Profile != nil {
		return caller.Profile
	}
	return s.profile
}

// now is the time of a change: UTC with microseconds.
func (s *Service) now() time.Time { return s.cfg.Now().UTC().Truncate(time.Microsecond) }

// idFor is the id of a new resource: the one that a command asks for, else a
// new one.
func idFor(caller Caller, req Request) (string, error) {
	if req.ID == "" || caller.ActorType != "command" {
		return newID()
	}
	id, err := uuid.Parse(req.ID)
	if err != nil || id.String() != req.ID {
		return "", NewError(http.StatusBadRequest, TypeInvalidValue, "id must be a UUID in lower case, or be left out.")
	}
	return req.ID, nil
}

// newID returns the id of a new resource (RFC 7643 section 3.1): a UUIDv7,
// lower case, never used before.
func newID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make resource id: %w", err)
	}
	return id.String(), nil
}

// plausibleID reports whether a path segment can be an id at all. What cannot
// is unknown, without asking the database: some bytes are no text there.
func plausibleID(id string) bool {
	if id == "" || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		switch b := id[i]; {
		case b <= ' ' || b > '~':
			return false
		case b == '/' || b == '\\' || b == '%' || b == '"' || b == '\'' || b == '<' || b == '>':
			return false
		}
	}
	return true
}

// accept turns a request body into a canonical object under the profile.
func (s *Service) accept(rt *schema.ResourceType, body schema.Object, p *Profile) (schema.Object, schema.Report, error) {
	return rt.Accept(body, p.Policy, s.documentLimits())
}

// documentLimits bounds the documents of resources.
func (s *Service) documentLimits() schema.Limits {
	return schema.Limits{Depth: s.limits.Depth, MaxElements: s.limits.Elements}
}
