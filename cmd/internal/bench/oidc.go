package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
)

// OIDC measures logins: codes, tokens, what is asked about tokens, and
// passwords.
func (b *Bench) OIDC(ctx context.Context) (report *Report, err error) {
	b, err = b.withDefaults()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "sallyport-bench-*")
	if err != nil {
		return nil, err
	}
	st := &logins{stage: &stage{Bench: b, folder: folder, data: data{b.Users}, samples: map[string][]*slice{}}}
	defer func() { err = errors.Join(err, st.close(context.WithoutCancel(ctx)), os.RemoveAll(folder)) }()
	for _, step := range []func(context.Context) error{st.load, st.start, st.prepare, st.rounds, st.leave, st.storm} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return st.report(), nil
}

// logins is a stage with applications and people who log in to them.
type logins struct {
	*stage
	app, opaque application
	service     basic // the introspection credential
	people      []visitor
	tokens      []tokens // of people, by number
	opaques     []tokens // the same of the application with opaque tokens
	documents   map[string]int
	codes       stock[string]
	stored      stock[string] // codes of the baseline
	forms       stock[form]
	made        int // codes of the baseline so far
	burst       memory
}

// basic is what HTTP Basic takes.
type basic struct{ id, secret string }

// load makes the directory. One is enough: there is no row about growth.
func (l *logins) load(ctx context.Context) (err error) {
	if l.big, err = l.place(ctx, "big"); err != nil {
		return err
	}
	l.Say("loading %d users by sallyport import", l.Users)
	_, err = l.fill(ctx, l.big, l.data, 0, l.Users)
	return err
}

// env lets codes and tokens live as long as a measurement may need on a busy
// machine.
func (l *logins) env() []string {
	return append(l.big.env(), "SALLYPORT_TOKENS_CODE=10m", "SALLYPORT_TOKENS_ACCESS_TOKEN=1h")
}

// start starts the processes and registers the applications.
func (l *logins) start(ctx context.Context) (err error) {
	if l.server, err = l.serveLogins(ctx, true); err != nil {
		return err
	}
	j, err := l.do(ctx, program{[]string{"token", "create", "--name", "bench"}, l.env()}, nil)
	if err != nil {
		return err
	}
	l.server.site.token = strings.TrimSpace(j.out)
	if err := l.register(ctx); err != nil {
		return err
	}
	l.baseline, err = l.serve(ctx, "baselines",
		program{[]string{"bench", "baseline", l.big.database}, l.big.env()}, "/hello")
	if err == nil {
		l.services = append(l.services, l.baseline)
	}
	return err
}

// serveLogins starts the server, within a profile if one is asked for.
func (l *logins) serveLogins(ctx context.Context, profiled bool) (*service, error) {
	args := []string{"serve", "--listen", "127.0.0.1:0"}
	if profiled && l.CPUProfile+l.MemProfile != "" {
		args = []string{"bench", "profiled", "--cpuprofile", l.CPUProfile, "--memprofile", l.MemProfile}
	}
	s, err := l.serve(ctx, "server", program{args, l.env()}, "/readyz")
	if err == nil {
		l.services = append(l.services, s)
	}
	return s, err
}

// apiScope is a scope of the service that introspects.
const apiScope = "bench:read"

// register makes the applications and the service, by the commands that an
// operator has. ID tokens are signed with ES256: RSA takes 25 times as long,
// whoever computes it.
func (l *logins) register(ctx context.Context) error {
	var api struct {
		Secret string `json:"introspection_secret"`
	}
	err := l.printed(ctx, &api, "service", "create", "bench-api", "--audience", "https://api.example.com", "--scope", apiScope)
	if err != nil {
		return err
	}
	l.service = basic{"bench-api", api.Secret}
	for _, a := range []struct {
		into *application
		id   string
		more []string
	}{
		{&l.app, "bench-app", nil},
		{&l.opaque, "bench-opaque", []string{"--opaque-access-tokens"}},
	} {
		args := append([]string{
			"client", "create", "--id", a.id, "--name", "Bench", "--redirect-uri", benchRedirect, "--id-token-alg", "ES256", "--trusted",
		}, a.more...)
		for scope := range strings.FieldsSeq(benchScopes) {
			args = append(args, "--scope", scope)
		}
		var made struct {
			Secret string `json:"client_secret"`
		}
		if err := l.printed(ctx, &made, args...); err != nil {
			return err
		}
		*a.into = application{basic{a.id, made.Secret}}
	}
	return nil
}

// printed runs one command of the program and reads the JSON that it prints.
func (l *logins) printed(ctx context.Context, into any, args ...string) error {
	j, err := l.do(ctx, program{append(args, "--json"), l.env()}, nil)
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(j.out), into); err != nil {
		return fmt.Errorf("read what %s prints: %w", args[0], err)
	}
	return nil
}

// rounds gives every target its slices.
func (l *logins) rounds(ctx context.Context) error {
	all := l.targets()
	order := rand.New(rand.NewPCG(6, 7)) //nolint:gosec // an order, the same every time
	for n := range l.Rounds {
		l.Say("round %d of %d", n+1, l.Rounds)
		order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if err := l.calibrate(); err != nil {
			return err
		}
		for _, t := range all {
			if err := l.slice(ctx, t, 0); err != nil {
				return err
			}
			if tail := tails()[t.name]; l.wants(tail) {
				half := *t
				half.name = tail
				done := l.samples[t.name]
				if err := l.slice(ctx, &half, done[len(done)-1].rate()/2); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// slice takes one slice, again with more at hand if something ran out.
func (l *logins) slice(ctx context.Context, t *target, pace float64) error {
	err := l.sample(ctx, t, pace)
	for range maxSpent {
		if !errors.Is(err, errSpent) {
			break
		}
		for _, each := range []*float64{&l.codes.each, &l.stored.each, &l.forms.each} {
			*each *= 2
		}
		err = l.sample(ctx, t, pace)
	}
	return err
}

// report is what was measured.
func (l *logins) report() *Report {
	r := l.reportOf(loginRows())
	for _, name := range []string{tAuthorize, tIntrospect} {
		if key := tails()[name]; l.wants(key) {
			r.Results = append(r.Results, l.tail(key, name+" at half of its greatest load: p99"))
		}
	}
	if l.wants(rowStorm) {
		r.Results = append(r.Results, l.judged(Result{
			Key: rowStorm, Operation: fmt.Sprintf("%d logins at once: resident memory at its peak, %.0f MiB", stormSize, mib(l.burst.peak)),
			Baseline: fmt.Sprintf("%d argon2id at once, %d MiB", cores(), cores()*argonMemory>>10),
			Value:    float64(l.burst.peak) / float64(cores()*argonMemory<<10), Demand: 3.5, AtMost: true,
		}))
	}
	return r
}
