package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// Finding is one line of the doctor's report.
type Finding struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"` // what is so, or what to do
}

// Disk and certificate limits below which the doctor complains.
const (
	leastFree = 1 << 30
	leastLife = 14 * 24 * time.Hour
	// mostSkew is how far the clocks of nodes may differ before leases and
	// cursors suffer.
	mostSkew = 5 * time.Second
)

// Examine looks at configuration, database, migrations, keys, clock and disk
// and says of each whether it is well. loadErr is what config.Load returned.
// Nothing is changed, but that a database that lacks migrations gets them; one
// that is not there yet is not made.
func Examine(ctx context.Context, cfg config.Config, loadErr error, opts Options) []Finding {
	r := &report{}
	err := loadErr
	if err == nil {
		err = Check(cfg)
	}
	if err == nil {
		err = checkNamed(ctx, cfg, opts.withDefaults())
	}
	r.add("configuration", err, strings.Join(append([]string{"all settings are usable"}, cfg.Warnings()...), "; "))
	if err != nil {
		return r.findings
	}
	r.certificate(cfg, opts.withDefaults().Now())
	r.disk(cfg)
	if cfg.SQLite() && !hasDatabase(cfg) {
		r.add("database", beforeFirstStart(ctx, cfg), "none yet in the data folder "+cfg.Data+": the first start makes it")
		r.listener(ctx, cfg)
		return r.findings
	}
	d, err := Open(ctx, cfg, opts)
	if err != nil {
		r.add("database", err, "")
		return r.findings
	}
	d.examine(ctx, r)
	if err := d.Close(); err != nil {
		r.add("close", err, "")
	}
	r.listener(ctx, cfg)
	return r.findings
}

// beforeFirstStart checks what the first start will read.
func beforeFirstStart(ctx context.Context, cfg config.Config) error {
	_, err := loadSchemas(cfg.SCIM)
	if cfg.MasterKey != "" || len(cfg.MasterKeyCommand) > 0 {
		_, keys := loadRing(ctx, cfg)
		err = errors.Join(err, keys)
	}
	return err
}

type report struct{ findings []Finding }

func (r *report) add(name string, err error, well string) {
	f := Finding{Name: name, OK: err == nil, Detail: well}
	if err != nil {
		f.Detail = oneLine(err.Error())
	}
	r.findings = append(r.findings, f)
}

// oneLine puts a text of several lines on one: "; " stands between those that
// do not already end in a colon.
func oneLine(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			continue
		case strings.HasSuffix(b.String(), ":"):
			b.WriteString(" ")
		case b.Len() > 0:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

func (d *Directory) examine(ctx context.Context, r *report) {
	stats, err := d.db.Stats(ctx)
	var counts []string
	for _, name := range slices.Sorted(maps.Keys(stats.Resources)) {
		counts = append(counts, fmt.Sprintf("%d %s", stats.Resources[name], name))
	}
	r.add("database", err, fmt.Sprintf("%s; %s", strings.TrimSpace(stats.Dialect+" "+stats.Version+" "+stats.Path), strings.Join(counts, ", ")))
	if err != nil {
		return
	}
	r.add("migrations", nil, fmt.Sprintf("schema version %d, this program knows %d", stats.Applied, stats.Known))
	keys, err := d.Keys(ctx)
	detail := "one master key"
	for _, k := range keys {
		if !k.Seals && k.Rows > 0 && err == nil {
			err = fmt.Errorf("%d rows are sealed with the old master key %s: run sallyport key reseal", k.Rows, k.Kid)
		}
		if !k.Seals && k.Rows == 0 {
			detail = "master key " + k.Kid + " seals nothing: it may be dropped once no backup needs it"
		}
	}
	r.add("keys", err, detail)
	d.clock(ctx, r)
}

// clock compares the clocks of this machine and of the database.
func (d *Directory) clock(ctx context.Context, r *report) {
	began := d.now()
	there, err := d.db.Clock(ctx)
	if err != nil {
		r.add("clock", err, "")
		return
	}
	skew := there.Sub(began.Add(d.now().Sub(began) / 2)).Abs()
	if skew > mostSkew {
		err = fmt.Errorf("the clocks of this machine and of the database differ by %s: synchronise both with NTP", skew.Round(time.Millisecond))
	}
	r.add("clock", err, "agrees with the database")
}

func (r *report) disk(cfg config.Config) {
	if !cfg.SQLite() {
		return
	}
	free, err := freeBytes(existing(cfg.Data))
	if err != nil {
		r.add("disk", fmt.Errorf("data folder %s: %w", cfg.Data, cause(err)), "")
		return
	}
	if free < leastFree {
		err = fmt.Errorf("only %d MiB free for the data folder %s: make room", free>>20, cfg.Data)
	}
	r.add("disk", err, fmt.Sprintf("%d MiB free for the data folder %s", free>>20, cfg.Data))
}

// existing returns path, or the nearest folder above it that is there: the
// data folder is made by the first start.
func existing(path string) string {
	path, err := filepath.Abs(path)
	for err == nil {
		if _, serr := os.Stat(path); serr == nil || filepath.Dir(path) == path {
			break
		}
		path = filepath.Dir(path)
	}
	return path
}

func (r *report) certificate(cfg config.Config, now time.Time) {
	if cfg.TLS.Cert == "" {
		return
	}
	pair, err := tls.LoadX509KeyPair(cfg.TLS.Cert, cfg.TLS.Key)
	if err != nil {
		r.add("certificate", fmt.Errorf("load %s with %s: %w", cfg.TLS.Cert, cfg.TLS.Key, err), "")
		return
	}
	end := pair.Leaf.NotAfter
	if left := end.Sub(now); left < leastLife {
		err = fmt.Errorf("the certificate ends at %s: renew it", end.UTC().Format(time.RFC3339))
	}
	r.add("certificate", err, "valid until "+end.UTC().Format(time.RFC3339))
}

// listener says whether a server runs at the configured address; none is no
// fault.
func (r *report) listener(ctx context.Context, cfg config.Config) {
	dialer := net.Dialer{Timeout: time.Second}
	c, err := dialer.DialContext(ctx, "tcp", cfg.Listen)
	if err != nil {
		r.add("server", nil, "nothing listens on "+cfg.Listen+" (start with: sallyport serve)")
		return
	}
	r.add("server", errors.Join(c.Close()), "something listens on "+cfg.Listen)
}
