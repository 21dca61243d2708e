package storage

// dialect is the database in use.
type dialect int

const (
	dialectSQLite dialect = iota + 1
	dialectPostgres
)

// String names the dialect as commands and metrics show it.
func (d dialect) String() string {
	if d == dialectPostgres {
		return "postgres"
	}
	return "sqlite"
}

// pick returns the text for the dialect.
func (d dialect) pick(sqlite, postgres string) string {
	if d == dialectPostgres {
		return postgres
	}
	return sqlite
}
