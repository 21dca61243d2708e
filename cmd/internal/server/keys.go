package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// resealBatch is how many rows are sealed anew in one transaction.
const resealBatch = 200

// Key is one master key, without the key.
type Key struct {
	Kid   string `json:"kid"`
	Seals bool   `json:"seals"` // the first of the ring
	Rows  int64  `json:"sealed_rows"`
}

// NewMasterKey returns a new master key as text. It is a secret.
func NewMasterKey() string { return seal.NewKeyText() }

// Keys returns the master keys in their order with the rows that each has
// sealed.
func (d *Directory) Keys(ctx context.Context) ([]Key, error) {
	rows, err := d.db.SealedRows(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, 0, d.ring.Len())
	for i, kid := range d.ring.Kids() {
		keys = append(keys, Key{Kid: kid, Seals: i == 0, Rows: rows[kid]})
	}
	return keys, nil
}

// RotateKeyFile puts a new key first in the key file of the data folder. It
// refuses when the keys come from elsewhere.
func RotateKeyFile(cfg config.Config) error {
	if cfg.MasterKey != "" || len(cfg.MasterKeyCommand) > 0 || !cfg.SQLite() {
		return errors.New("the master keys do not come from the key file of the data folder: put the new key where they come from (see sallyport key rotate --help)")
	}
	path := keyFile(cfg)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no key file %s yet: it is made by the first start", path)
	}
	_, err := seal.RotateFile(path)
	return err
}

// Reseal seals every row anew that another key than the first has sealed and
// returns how many there were.
func (d *Directory) Reseal(ctx context.Context, by audit.Party) (int64, error) {
	var total int64
	for {
		n, err := d.db.Reseal(ctx, resealBatch)
		if err != nil {
			return total, err
		}
		if n == 0 {
			break
		}
		total += n
	}
	detail, err := json.Marshal(map[string]int64{"rows": total})
	if err != nil {
		return total, err
	}
	return total, d.db.InTx(ctx, func(ctx context.Context) error {
		return d.db.Append(ctx, audit.Event{
			Name: audit.SealReencrypted, Outcome: audit.OK, Actor: by,
			Target: audit.Party{Type: "key", ID: d.ring.First()}, Detail: detail,
		})
	})
}
