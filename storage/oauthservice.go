package storage

import (
	"context"
	"database/sql"
	"slices"

	"github.com/sallyport-id/sallyport/oidc"
)

var _ oidc.ServiceStore = (*DB)(nil)

const (
	insertService = `INSERT INTO oauth_services (name, audience, secret_hash, doc, created_at)
		VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`
	// The row keeps its name, so only the audience can collide.
	updateService = `UPDATE oauth_services SET audience = $2, secret_hash = $3, doc = $4 WHERE name = $1
		AND NOT EXISTS (SELECT 1 FROM oauth_services o WHERE o.audience = $2 AND o.name <> $1)`
	insertScope    = "INSERT INTO oauth_scopes (name, service) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING"
	deleteScopes   = "DELETE FROM oauth_scopes WHERE service = $1"
	serviceColumns = "SELECT name, audience, secret_hash, doc, created_at FROM oauth_services"
)

// InsertService implements [oidc.ServiceStore].
func (db *DB) InsertService(ctx context.Context, s oidc.Service) error {
	doc, err := encode("service", s.Scopes)
	if err != nil {
		return err
	}
	return db.inWriter(ctx, "store service", func(ctx context.Context, w querier) error {
		n, err := db.execCount(ctx, w, insertService, s.Name, s.Audience, s.SecretHash, doc, micros(s.CreatedAt))
		if err != nil {
			return err
		}
		if n == 0 {
			return oidc.ErrTaken
		}
		return db.insertScopes(ctx, w, s)
	})
}

// insertScopes takes the names of the scopes of a service.
func (db *DB) insertScopes(ctx context.Context, w querier, s oidc.Service) error {
	for _, scope := range s.Scopes {
		n, err := db.execCount(ctx, w, insertScope, scope.Name, s.Name)
		if err != nil {
			return err
		}
		if n == 0 {
			return oidc.ErrTaken
		}
	}
	return nil
}

// Service implements [oidc.ServiceStore].
func (db *DB) Service(ctx context.Context, name string) (oidc.Service, error) {
	var s oidc.Service
	var doc string
	var created int64
	err := db.row(ctx, db.hot.service, []any{&s.Name, &s.Audience, &s.SecretHash, &doc, &created}, name)
	if err := db.absent(ctx, "read service", err); err != nil {
		return oidc.Service{}, err
	}
	s.CreatedAt = fromMicros(created)
	s.Scopes, err = db.scopesOf(name, doc)
	return s, err
}

// scopesOf are those of a service.
func (db *DB) scopesOf(service, doc string) ([]oidc.ServiceScope, error) {
	return db.knownScopes.get(service, doc, func() (scopes []oidc.ServiceScope, err error) {
		err = decode("service", doc, &scopes)
		return scopes, err
	})
}

// Services implements [oidc.ServiceStore].
func (db *DB) Services(ctx context.Context) ([]oidc.Service, error) {
	return db.services(ctx, serviceColumns+" ORDER BY name")
}

func (db *DB) services(ctx context.Context, query string, args ...any) ([]oidc.Service, error) {
	var out []oidc.Service
	err := eachRow(db.pointContext(ctx), db.reader(ctx), query, args, func(rows *sql.Rows) error {
		var s oidc.Service
		var doc string
		var created int64
		if err := rows.Scan(&s.Name, &s.Audience, &s.SecretHash, &doc, &created); err != nil {
			return err
		}
		s.CreatedAt = fromMicros(created)
		var err error
		s.Scopes, err = db.scopesOf(s.Name, doc)
		out = append(out, s)
		return err
	})
	return out, db.sqlError(ctx, "read services", err)
}

// UpdateService implements [oidc.ServiceStore].
func (db *DB) UpdateService(ctx context.Context, name string, edit func(*oidc.Service) error) (s oidc.Service, err error) {
	err = db.inWriter(ctx, "update service", func(ctx context.Context, w querier) error {
		found, err := db.services(ctx, serviceColumns+" WHERE name = $1"+db.dialect.pick("", " FOR UPDATE"), name)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return oidc.ErrNotFound
		}
		s = found[0]
		s.Scopes = slices.Clone(s.Scopes) // the edit may change it in place
		if err := edit(&s); err != nil {
			return err
		}
		s.Name = name
		doc, err := encode("service", s.Scopes)
		if err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, updateService, name, s.Audience, s.SecretHash, doc)
		if err != nil {
			return err
		}
		if n == 0 {
			return oidc.ErrTaken
		}
		if _, err := w.ExecContext(ctx, deleteScopes, name); err != nil {
			return err
		}
		return db.insertScopes(ctx, w, s)
	})
	if err != nil {
		return oidc.Service{}, err
	}
	return s, nil
}

// DeleteService implements [oidc.ServiceStore].
func (db *DB) DeleteService(ctx context.Context, name string) error {
	return db.inWriter(ctx, "delete service", func(ctx context.Context, w querier) error {
		if _, err := w.ExecContext(ctx, deleteScopes, name); err != nil {
			return err
		}
		n, err := db.execCount(ctx, w, "DELETE FROM oauth_services WHERE name = $1", name)
		if err == nil && n == 0 {
			return oidc.ErrNotFound
		}
		return err
	})
}
