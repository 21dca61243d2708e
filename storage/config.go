package storage

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// RestoreWindow is how long a deleted user can be restored from the audit
// record; audit events may not be pruned earlier.
const RestoreWindow = 30 * 24 * time.Hour

// Config says which database to open and how.
type Config struct {
	// URL is "postgres://…", "sqlite:PATH", "file:PATH" or a bare path. Empty
	// means the file sallyport.db in DataDir. It may hold a password: never log it.
	URL string
	// DataDir is the folder of the embedded database; created with mode 0700.
	DataDir string
	// Registry compiles the documents; required.
	Registry *schema.Registry
	// Keys is the master key ring; required and not empty.
	Keys *seal.Ring
	// Logger takes what background work has to say; nil discards it.
	Logger *slog.Logger
	// Now is the clock; nil is the system's.
	Now func() time.Time

	// Indexed names further attributes to keep value rows for, as
	// "Type:path" or "path" (every type), beside those that are always indexed.
	Indexed []string
	// FreeGroupNames lets several groups have one displayName. By default group
	// names are unique (specification of the directory, section 5).
	FreeGroupNames bool
	// AcceptUnknownMembers stores member ids that name no resource instead of
	// refusing them.
	AcceptUnknownMembers bool

	// QueryTimeout bounds one list query in the database; 0 means 5 s.
	QueryTimeout time.Duration
	// BusyTimeout bounds the wait for another process's write or for a row
	// lock; 0 means 5 s on SQLite and 15 s on PostgreSQL, where many writers of
	// one group queue for its row.
	BusyTimeout time.Duration
	// ReadConns is the number of reading connections to SQLite; 0 means twice
	// the cores, which measured fastest.
	ReadConns int
	// MaxConns bounds the connections to PostgreSQL; 0 means four times the
	// cores, and at least 16.
	MaxConns int
	// Bulk prepares SQLite's writing connection for loading much at once, in
	// large transactions: a page cache of 64 MiB and rare checkpoints, which
	// are merged into the file when the database is closed. Not for serving:
	// single requests would have to wait for such a checkpoint.
	Bulk bool
	// WriteCacheKiB is the page cache of SQLite's writing connection; 0 means
	// 8,192, or 65,536 with Bulk.
	WriteCacheKiB int
	// AuditRetention is how long audit events are kept; 0 keeps them for ever,
	// less than RestoreWindow is refused.
	AuditRetention time.Duration
	// PasswordHistory is how many earlier passwords of a user are kept; 0: none.
	PasswordHistory int
	// CopyTarget opens a database that an interrupted copy has left half full,
	// so that [Copy] can begin again. Nothing else may use it so.
	CopyTarget bool
	// Trace is called with the text of every statement, for tests; nil: none.
	Trace func(sql string)
}

// withDefaults fills what was left empty and checks the rest.
func (c Config) withDefaults() (Config, error) {
	var faults []error
	if c.Registry == nil {
		faults = append(faults, errors.New("no schema registry given"))
	}
	if c.Keys.Len() == 0 {
		faults = append(faults, errors.New("no master key given: the key ring is empty"))
	}
	if c.URL == "" && c.DataDir == "" {
		faults = append(faults, errors.New("neither a database URL nor a data folder given"))
	}
	if c.AuditRetention != 0 && c.AuditRetention < RestoreWindow {
		faults = append(faults, fmt.Errorf("audit retention %s is shorter than the %s in which a deleted user can be restored",
			c.AuditRetention, RestoreWindow))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now //nolint:forbidigo // the one default of the clock
	}
	c.QueryTimeout = orDuration(c.QueryTimeout, 5*time.Second)
	busy := 5 * time.Second
	if c.URL != "" {
		busy = 15 * time.Second
	}
	c.BusyTimeout = orDuration(c.BusyTimeout, busy)
	c.ReadConns = orInt(c.ReadConns, 2*runtime.GOMAXPROCS(0))
	c.MaxConns = orInt(c.MaxConns, max(16, 4*runtime.GOMAXPROCS(0)))
	return c, errors.Join(faults...)
}

func orDuration(d, fallback time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return fallback
}

func orInt(n, fallback int) int {
	if n > 0 {
		return n
	}
	return fallback
}

// target splits the configured URL into the dialect and the place: a DSN for
// PostgreSQL, a file path for SQLite.
func (c Config) target() (dialect, string, error) {
	switch scheme, rest, found := strings.Cut(c.URL, ":"); {
	case c.URL == "":
		return dialectSQLite, filepath.Join(c.DataDir, "sallyport.db"), nil
	case !found:
		return dialectSQLite, c.URL, nil
	case scheme == "postgres" || scheme == "postgresql":
		return dialectPostgres, c.URL, nil
	case scheme == "sqlite" || scheme == "sqlite3" || scheme == "file":
		return sqlitePath(rest)
	default:
		return 0, "", fmt.Errorf("use postgres:// or sqlite: as the scheme of the database URL, not %q", scheme)
	}
}

// sqlitePath takes what follows the scheme: "//PATH", "///PATH" or "PATH".
// Options behind "?" are refused, for the durability settings are not a choice.
func sqlitePath(rest string) (dialect, string, error) {
	if strings.Contains(rest, "?") {
		return 0, "", errors.New("a SQLite URL takes no options: remove what follows the question mark")
	}
	path, err := url.PathUnescape(strings.TrimPrefix(rest, "//"))
	if err != nil {
		return 0, "", fmt.Errorf("read database URL: %w", err)
	}
	if path == "" || strings.Contains(path, ":memory:") {
		return 0, "", errors.New("a SQLite URL must name a file, such as sqlite:/var/lib/sallyport/sallyport.db")
	}
	return dialectSQLite, path, nil
}
