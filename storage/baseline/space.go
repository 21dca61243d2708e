package baseline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5"
)

// Space makes a new schema in a PostgreSQL database and returns the URL that
// leads into it, and what to call to drop the schema with all that is in it.
func Space(ctx context.Context, address, name string) (inside string, drop func(context.Context) error, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, errors.New("the PostgreSQL URL is malformed")
	}
	schema := pgx.Identifier{name}.Sanitize()
	run := func(ctx context.Context, statement string) error {
		db, err := sql.Open("pgx", address)
		if err != nil {
			return errors.New("the PostgreSQL URL is malformed")
		}
		_, err = db.ExecContext(ctx, statement)
		return errors.Join(err, db.Close())
	}
	if err := run(ctx, "CREATE SCHEMA "+schema); err != nil {
		return "", nil, fmt.Errorf("make a schema: %w", err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String(), func(ctx context.Context) error { return run(ctx, "DROP SCHEMA "+schema+" CASCADE") }, nil
}
