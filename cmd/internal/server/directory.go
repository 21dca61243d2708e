package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/passkey"
	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/seal"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
)

// keyFileName is the file of the master keys in the data folder.
const keyFileName = "master.key"

// databaseName is the file of the embedded database in the data folder.
const databaseName = "sallyport.db"

// commandIssuer is the base of locations that commands show: where a server with
// these settings listens when no issuer is configured.
func commandIssuer(cfg config.Config) string {
	if cfg.Issuer != "" {
		return trimSlash(cfg.Issuer)
	}
	scheme := "http"
	if cfg.TLS.Cert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil || host == "" {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// Directory is the data of Sallyport with the services on it: all that a
// command needs. Commands and servers may have the same data open at once.
type Directory struct {
	Service   *scim.Service
	Registry  *schema.Registry
	Tokens    scim.Tokens
	TokenList scim.TokenStore
	Resources scim.ResourceStore
	Members   scim.MemberStore
	Audit     audit.Log
	History   audit.Reader
	// Delivery sends one-time codes.
	Delivery *delivery.Providers
	// Provider is the OpenID Connect provider.
	Provider *oidc.Provider
	// Validation serves the sub-resources of users.
	Validation *validation.Service

	cfg    config.Config
	issuer string
	bulk   bool
	// existing refuses to make a database.
	existing bool
	logger   *slog.Logger
	now      func() time.Time
	ring     *seal.Ring
	db       *storage.DB
	auth     *scim.TokenAuthenticator
	// follower keeps validations in step with the values of users.
	follower *validation.Follower
	stepUp   *validation.StepUp
	hasher   hasher
	breached *password.HashFile // nil: none
	// passkeys is the relying party of passkeys; nil: there are none.
	passkeys *passkey.Party
	// engine logs people in.
	engine *authn.Engine
	// accounts runs recovery, registration and invitations.
	accounts *account.Service
	// providers are those elsewhere at which people log in.
	providers federated.List
	// signing are the keys that sign tokens.
	signing *keys.Ring

	closing sync.Once
	closed  error
}

// Open opens the data for a command. The settings must have passed Validate,
// but for the issuer, which a command does not need. Close it.
func Open(ctx context.Context, cfg config.Config, opts Options) (*Directory, error) {
	return open(ctx, cfg, commandIssuer(cfg), opts.withDefaults())
}

func open(ctx context.Context, cfg config.Config, issuer string, opts Options) (*Directory, error) {
	d := &Directory{cfg: cfg, issuer: issuer, bulk: opts.Bulk, existing: opts.Existing, logger: opts.Logger, now: opts.Now}
	if err := d.assemble(ctx); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

func (d *Directory) assemble(ctx context.Context) error {
	if err := d.prepareFolder(); err != nil {
		return err
	}
	var err error
	if d.Registry, err = loadSchemas(d.cfg.SCIM); err != nil {
		return err
	}
	if d.ring, err = loadRing(ctx, d.cfg); err != nil {
		return err
	}
	if d.db, err = storage.Open(ctx, d.storageConfig(d.cfg.DatabaseURL.Reveal())); err != nil {
		return err
	}
	d.TokenList, d.Resources, d.Members, d.Audit, d.History = d.db, d.db, d.db, d.db, d.db
	d.Tokens = scim.Tokens{Store: d.db, Tx: d.db, Audit: d.db, Now: d.now, Rand: rand.Reader}
	//nolint:contextcheck // its goroutine lives until Close, not as long as ctx
	d.auth, err = scim.NewTokenAuthenticator(scim.TokenAuthenticatorConfig{Store: d.db, Owners: d.db, Logger: d.logger, Now: d.now})
	if err != nil {
		return err
	}
	if d.Delivery, err = d.newDelivery(); err != nil {
		return err
	}
	if err = d.newHasher(); err != nil {
		return err
	}
	if err = d.newFollower(); err != nil {
		return err
	}
	if d.Service, err = d.newService(ctx, d.issuer, d.db); err != nil {
		return err
	}
	l, err := d.newLimits(ctx)
	if err != nil {
		return err
	}
	if err = d.newPasskeys(); err != nil {
		return err
	}
	states := state.NewSealer(state.NewRing(d.db, d.now), d.now)
	if d.Validation, err = d.newValidation(l, states); err != nil {
		return err
	}
	if err = d.newEngine(ctx, l, states); err != nil {
		return err
	}
	if err = d.newAccounts(l); err != nil {
		return err
	}
	if err = d.newProvider(l); err != nil {
		return err
	}
	d.engine.Handle(oidc.PurposeAuthorize, d.Provider)
	d.engine.Handle(oidc.PurposeDevice, d.Provider)
	return nil
}

// hasDatabase says whether the embedded database has been made.
func hasDatabase(cfg config.Config) bool {
	_, err := os.Stat(filepath.Join(cfg.Data, databaseName))
	return err == nil
}

// prepareFolder makes the data folder, readable by its owner only, where one
// is needed.
func (d *Directory) prepareFolder() error {
	if !d.cfg.SQLite() {
		return nil
	}
	if d.existing && !hasDatabase(d.cfg) {
		return fmt.Errorf("there is no database in the data folder %s: name the right folder with --data, or make one with sallyport serve", d.cfg.Data)
	}
	if err := os.MkdirAll(d.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("data folder %s: %w", d.cfg.Data, cause(err))
	}
	if _, err := os.ReadDir(d.cfg.Data); err != nil {
		return fmt.Errorf("data folder %s cannot be read: %w", d.cfg.Data, cause(err))
	}
	return nil
}

func loadSchemas(cfg config.SCIM) (*schema.Registry, error) {
	var schemas, types fs.FS
	for _, folder := range []struct {
		key, path string
		into      *fs.FS
	}{{"scim.schemas", cfg.Schemas, &schemas}, {"scim.resource_types", cfg.ResourceTypes, &types}} {
		if folder.path == "" {
			continue
		}
		files, err := os.ReadDir(folder.path)
		if err != nil {
			return nil, fmt.Errorf("%s: folder %s cannot be read: %w", folder.key, folder.path, cause(err))
		}
		if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".json") }) {
			return nil, fmt.Errorf("%s: there is no .json file in the folder %s; folders in it are not read", folder.key, folder.path)
		}
		*folder.into = os.DirFS(folder.path)
	}
	registry, err := schema.Load(schemas, types)
	if err != nil {
		return nil, fmt.Errorf("load schemas: %w", err)
	}
	return registry, nil
}

func (d *Directory) storageConfig(url string) storage.Config {
	return storage.Config{
		Bulk: d.bulk,
		URL:  url, DataDir: d.cfg.Data, Registry: d.Registry, Keys: d.ring, Logger: d.logger, Now: d.now,
		Indexed: d.cfg.SCIM.Indexed, FreeGroupNames: !d.cfg.SCIM.UniqueGroupNames,
		AcceptUnknownMembers: d.cfg.SCIM.AcceptUnknownMembers,
		PasswordHistory:      d.cfg.Password.History,
		QueryTimeout:         d.cfg.SCIM.QueryTimeout, AuditRetention: d.cfg.Audit.Retention,
	}
}

func (d *Directory) newService(ctx context.Context, issuer string, resources scim.ResourceStore) (*scim.Service, error) {
	cursorKey, err := d.db.ServerKey(ctx, seal.PurposeCursor)
	if err != nil {
		return nil, fmt.Errorf("load cursor key: %w", err)
	}
	ranges, err := d.cfg.TrustedRanges()
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	if _, ok := scim.ProfileByName(d.cfg.SCIM.DefaultProfile); !ok {
		return nil, fmt.Errorf("scim.default_profile %q is no client profile; use %s, %s, %s or %s",
			d.cfg.SCIM.DefaultProfile, scim.ProfileRFC, scim.ProfileCompat, scim.ProfileStrict, scim.ProfilePing)
	}
	bases := []string{issuer + scimPath}
	for _, u := range d.cfg.PublicURLs {
		bases = append(bases, trimSlash(u)+scimPath)
	}
	return scim.New(scim.Config{
		Registry: d.Registry, Resources: resources, Members: d.db, Passwords: passwords{d.hasher, d.db},
		Audit: d.db, History: d.db, Removals: d.db, Auth: d.authenticator(issuer),
		BaseURLs: bases, Authority: scim.FrontAuthority(ranges), DefaultProfile: d.cfg.SCIM.DefaultProfile,
		Limits: limitsOf(d.cfg.SCIM), Brake: brakeOf(d.cfg.SCIM.Brake), CursorKey: cursorKey,
		OnUserChange: d.follower.UserChanged, OnDeactivate: d.endLogins, OnPassword: d.passwordSet,
		Guard: d.stepUp, SelfWritable: d.cfg.SelfService.Writable,
		FactorPaths: d.follower.Paths.Texts(),
		Logger:      d.logger, Now: d.now,
	})
}

func limitsOf(c config.SCIM) scim.Limits {
	l := c.Limits
	return scim.Limits{
		Body: int64(l.Body), GroupBody: int64(l.GroupBody), BulkBody: int64(l.BulkBody),
		Depth: l.Depth, Elements: l.Elements, Names: l.Names,
		Filter:       filter.Limits{Length: l.FilterLength, Comparisons: l.Comparisons, Nesting: l.Nesting},
		DefaultCount: l.DefaultCount, MaxCount: l.MaxCount, CursorTimeout: l.CursorTimeout,
		BulkOperations: l.BulkOperations, PatchOperations: l.PatchOperations, MemberValues: l.MemberValues,
		Rate: c.Rate, Burst: c.Burst,
	}
}

func brakeOf(b config.Brake) scim.BrakeConfig {
	return scim.BrakeConfig{
		Share: float64(b.Percent) / 100, Population: int64(max(b.Minimum, 1)), Window: b.Window, Off: b.Percent == 100,
	}
}

// Database names the kind of database: "sqlite" or "postgres".
func (d *Directory) Database() string { return d.db.Dialect() }

// Close undoes Open in reverse. It may be called again.
func (d *Directory) Close() error {
	d.closing.Do(func() {
		if d.auth != nil {
			d.auth.Close()
		}
		if d.Delivery != nil {
			d.closed = d.Delivery.Close()
		}
		if d.db != nil {
			d.closed = errors.Join(d.closed, d.db.Close())
		}
		d.closed = errors.Join(d.closed, d.breached.Close())
	})
	return d.closed
}

// checks are the conditions of readiness that concern the data.
func (d *Directory) checks() []check {
	return []check{
		{"database", d.db.Ping},
		{"migrations", func(ctx context.Context) error {
			applied, known, err := d.db.Migrations(ctx)
			if err == nil && applied < known {
				err = fmt.Errorf("%d of %d migrations applied", applied, known)
			}
			return err
		}},
		{"keys", func(ctx context.Context) error {
			rows, err := d.db.SealedRows(ctx)
			if err != nil {
				return err
			}
			for kid := range rows {
				if !d.ring.Has(kid) {
					return fmt.Errorf("master key %q seals rows but is not loaded: restart this server with the present keys", kid)
				}
			}
			return nil
		}},
	}
}

// keyFile is the file of the master keys.
func keyFile(cfg config.Config) string { return filepath.Join(cfg.Data, keyFileName) }

// loadRing reads the master keys: given, from a command, or from the file,
// which is made on the first start with the embedded database.
func loadRing(ctx context.Context, cfg config.Config) (*seal.Ring, error) {
	switch {
	case cfg.MasterKey != "":
		ring, err := seal.ParseRing(cfg.MasterKey.Reveal())
		if err != nil {
			return nil, fmt.Errorf("SALLYPORT_MASTER_KEY: %w", err)
		}
		return ring, nil
	case len(cfg.MasterKeyCommand) > 0:
		ring, err := seal.FromCommand(ctx, cfg.MasterKeyCommand)
		if err != nil {
			return nil, fmt.Errorf("master_key_command: %w", err)
		}
		return ring, nil
	}
	// Every node needs the same key, so a file of one machine will not do.
	if !cfg.SQLite() {
		return nil, errors.New("with PostgreSQL the master key must be given: set SALLYPORT_MASTER_KEY or SALLYPORT_MASTER_KEY_FILE " +
			"(make a key with: sallyport key generate)")
	}
	path := keyFile(cfg)
	ring, err := seal.LoadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return ring, err
	}
	// A new key for an old database could open nothing in it.
	if hasDatabase(cfg) {
		return nil, fmt.Errorf("the data folder %s has a database but no %s: put the key file back from your backup, or give the keys with SALLYPORT_MASTER_KEY", cfg.Data, keyFileName)
	}
	ring, _, err = seal.LoadOrCreateFile(path)
	return ring, err
}

// cause strips the path from a file error, for messages that name it already.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
