//go:build cgo

package storage

/*
#cgo linux LDFLAGS: -Wl,--unresolved-symbols=ignore-all
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup

// Of the library that the driver brings.
extern int sqlite3_config(int, ...);

// SQLITE_CONFIG_MEMSTATUS
static int count_no_memory(void) { return sqlite3_config(9, 0); }
*/
import "C"

import "sync"

// countNoMemory switches off the statistics of SQLite's allocator. They take a
// lock that is shared by all connections at every allocation, which readers on
// several cores then wait for. It only works before the first connection of
// the process; after that it changes nothing.
var countNoMemory = sync.OnceFunc(func() { C.count_no_memory() })
