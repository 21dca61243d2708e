package storage

import (
	"context"
	"os"
)

// Stats is what a diagnosis of the database shows.
type Stats struct {
	Dialect   string           // "sqlite" or "postgres"
	Driver    string           // the driver in this binary
	Version   string           // of SQLite, or of the PostgreSQL server
	Path      string           // SQLite: the file
	Applied   int              // schema version of the database
	Known     int              // schema version of this program
	Resources map[string]int64 // number of resources by type
	Sealed    map[string]int64 // sealed rows by master key id
	Bytes     int64            // size of the database
	FreeBytes int64            // SQLite: unused pages inside the file
	WALBytes  int64            // SQLite: write-ahead log
}

// Stats reads the state of the database.
func (db *DB) Stats(ctx context.Context) (Stats, error) {
	s := Stats{Dialect: db.Dialect(), Path: db.path, Resources: make(map[string]int64)}
	var err error
	if s.Applied, s.Known, err = db.Migrations(ctx); err != nil {
		return s, err
	}
	if s.Sealed, err = db.SealedRows(ctx); err != nil {
		return s, err
	}
	for _, rt := range db.registry.Types() {
		if s.Resources[rt.Name], err = db.Count(ctx, rt); err != nil {
			return s, err
		}
	}
	if db.dialect == dialectPostgres {
		s.Driver = "jackc/pgx"
		err = db.read.QueryRowContext(ctx, "SELECT current_setting('server_version'), pg_database_size(current_database())").
			Scan(&s.Version, &s.Bytes)
		return s, db.sqlError(ctx, "read size", err)
	}
	s.Driver = sqliteDriver
	err = db.read.QueryRowContext(ctx, `SELECT sqlite_version(), page_count * page_size, freelist_count * page_size
		FROM pragma_page_count(), pragma_page_size(), pragma_freelist_count()`).
		Scan(&s.Version, &s.Bytes, &s.FreeBytes)
	if info, statErr := os.Stat(db.path + "-wal"); statErr == nil {
		s.WALBytes = info.Size()
	}
	return s, db.sqlError(ctx, "read size", err)
}
