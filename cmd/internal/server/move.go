package server

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sallyport-id/sallyport/storage"
)

// Backup writes a consistent copy of the embedded database to a new file while
// servers run. The master key is not in it.
func (d *Directory) Backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists: name a new file", path)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("back up into the folder %s: %w", filepath.Dir(path), cause(err))
	}
	return d.db.Backup(ctx, path)
}

// MigrateTo copies everything into the empty database at url: ids, hashes,
// sealed values, audit. The master keys stay the same, so sealed values move
// as they are. progress is told each table with its rows.
func (d *Directory) MigrateTo(ctx context.Context, url string, progress func(table string, rows int64)) error {
	cfg := d.storageConfig(url)
	cfg.CopyTarget = true
	target, err := storage.Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	err = storage.Copy(ctx, d.db, target, progress)
	if e := target.Close(); err == nil {
		err = e
	}
	return err
}
