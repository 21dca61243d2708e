package main

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

type serveCmd struct {
	Listen     string `placeholder:"ADDR" help:"Address to listen on (SALLYPORT_LISTEN; default 127.0.0.1:8080)."`
	Issuer     string `placeholder:"URL" help:"Public base URL of this server (SALLYPORT_ISSUER; default: the address listened on)."`
	TLSCert    string `name:"tls-cert" type:"path" placeholder:"FILE" help:"Certificate with its chain, PEM. Read again when it changes."`
	TLSKey     string `name:"tls-key" type:"path" placeholder:"FILE" help:"Key of the certificate, PEM."`
	Demo       bool   `help:"Also serve a demo application that logs in here; only with a loopback issuer."`
	DemoListen string `placeholder:"ADDR" default:"127.0.0.1:8081" help:"Address of the demo application (default 127.0.0.1:8081)."`
	LogLevel   string `placeholder:"LEVEL" help:"debug, info, warn or error (SALLYPORT_LOG_LEVEL; default info)."`
}

// Help is shown by --help.
func (*serveCmd) Help() string {
	return `Serves until it is interrupted, then finishes the requests under way. The first start makes the data folder, the master key and a provisioning token, and shows the token once.

Without SALLYPORT_DATABASE_URL the data is in the embedded SQLite database of the data folder. With postgres://… any number of servers may share one database; SALLYPORT_MASTER_KEY must then be set, the same for all.

Examples:
  sallyport serve
  sallyport serve --demo
  sallyport serve --data /var/lib/sallyport --listen :443 --issuer https://id.example.org --tls-cert cert.pem --tls-key key.pem
  SALLYPORT_DATABASE_URL=postgres://sallyport@db/sallyport SALLYPORT_MASTER_KEY_FILE=/run/secrets/key sallyport serve --issuer https://id.example.org`
}

// gcPercent has the garbage of a busy server collected when it is five times
// what is in use, which is a few MiB: at the usual twice, the collector would
// run dozens of times a second.
const gcPercent = 400

// Run serves.
func (c *serveCmd) Run(ctx context.Context, a *app) (err error) {
	cfg, err := a.settings(c.flags())
	if err != nil {
		return err
	}
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log := server.NewLogBuffer(a.stderr)
	defer func() { err = errors.Join(err, log.Close()) }()
	options := server.Options{
		Logger: server.NewLogger(cfg.Log, log), Notice: a.stdout, Getenv: a.getenv, Now: time.Now,
	}
	if c.Demo {
		options.Demo = c.DemoListen
	}
	s, err := server.New(ctx, cfg, options)
	if err != nil {
		return err
	}
	return errors.Join(s.Run(ctx), s.Close()) //nolint:contextcheck // undoes what was made, also when ctx has ended
}

func (c *serveCmd) flags() map[string]string {
	flags := map[string]string{}
	for key, value := range map[string]string{
		"listen": c.Listen, "issuer": c.Issuer, "tls.cert": c.TLSCert, "tls.key": c.TLSKey, "log.level": c.LogLevel,
	} {
		if value != "" {
			flags[key] = value
		}
	}
	return flags
}
