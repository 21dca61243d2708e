package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Getenv, os.Stdin, os.Stdout, os.Stderr))
}

// cli is the command line.
type cli struct {
	globals

	Serve    serveCmd    `cmd:"" help:"Serve SCIM and OpenID Connect."`
	Token    tokenCmd    `cmd:"" help:"Make, list and revoke provisioning tokens."`
	User     userCmd     `cmd:"" help:"Make, show, list, delete and restore users."`
	Client   clientCmd   `cmd:"" help:"Register, show, change and remove applications."`
	Service  serviceCmd  `cmd:"" help:"Register, list and remove APIs that take access tokens."`
	ACR      acrCmd      `cmd:"" name:"acr" help:"List and explain authentication context classes."`
	IDP      idpCmd      `cmd:"" name:"idp" help:"List and test providers elsewhere at which people log in."`
	Import   importCmd   `cmd:"" help:"Import users and groups from NDJSON or CSV."`
	Export   exportCmd   `cmd:"" help:"Export users and groups as NDJSON."`
	Audit    auditCmd    `cmd:"" help:"Show the audit trail."`
	Delivery deliveryCmd `cmd:"" help:"Test and list the ways in which codes reach people."`
	Doctor   doctorCmd   `cmd:"" help:"Check configuration, database, keys, clock and disk."`
	Backup   backupCmd   `cmd:"" help:"Copy the embedded database while it is in use."`
	Migrate  migrateCmd  `cmd:"" help:"Move everything to another database."`
	Key      keyCmd      `cmd:"" help:"Generate, list and rotate master keys."`
	Bench    benchCmd    `cmd:"" help:"Measure what this machine carries."`
	Version  versionCmd  `cmd:"" help:"Show the version."`

	ShowVersion kong.VersionFlag `name:"version" hidden:""`
}

const description = `Sallyport keeps a directory of users and groups, serves it over SCIM 2.0, and logs people in to applications as an OpenID Connect provider.

Every setting can also be given in the environment (SALLYPORT_DATA, SALLYPORT_LISTEN, SALLYPORT_DATABASE_URL …), secrets also by file (SALLYPORT_DATABASE_URL_FILE …).

Begin with: sallyport serve`

// exit carries the code with which kong wants to end the program.
type exit int

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, getenv func(string) string, stdin io.Reader, stdout, stderr io.Writer) (code int) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)

	var c cli
	parser, err := kong.New(&c, kong.Name("sallyport"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.Vars{"version": versionText(server.BuildVersion())},
		kong.Exit(func(code int) { panic(exit(code)) }), kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "sallyport:", err)
		return exitFailed
	}
	defer func() {
		switch v := recover().(type) {
		case nil:
		case exit:
			code = int(v)
		default:
			panic(v)
		}
	}()
	parsed, err := parser.Parse(args)
	if err != nil {
		_, _ = fmt.Fprintln(stderr, "sallyport:", misuse(err, args))
		return exitUsage
	}
	a := &app{globals: c.globals, getenv: getenv, stdin: stdin, stdout: stdout, stderr: stderr}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(a); err != nil {
		_, _ = fmt.Fprintln(stderr, "sallyport:", sentence(err))
		return codeOf(err)
	}
	return exitOK
}

// usageError is a fault of the command line that kong cannot see.
type usageError struct{ text string }

// Error implements error.
func (e *usageError) Error() string { return e.text }

func codeOf(err error) int {
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}
