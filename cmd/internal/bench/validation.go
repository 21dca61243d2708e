package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
)

// Validation measures how fast second factors are enrolled: codes that are
// sent to a mail gateway, and codes that come back.
func (b *Bench) Validation(ctx context.Context) (report *Report, err error) {
	b, err = b.withDefaults()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "sallyport-bench-*")
	if err != nil {
		return nil, err
	}
	st := &enrolment{stage: &stage{Bench: b, folder: folder, data: data{b.Users}, samples: map[string][]*slice{}}}
	defer func() { err = errors.Join(err, st.close(context.WithoutCancel(ctx)), os.RemoveAll(folder)) }()
	for _, step := range []func(context.Context) error{st.load, st.start, st.rounds, st.leave} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return st.reportOf(st.rows()), nil
}

// enrolment is a stage whose server sends codes to a sink.
type enrolment struct {
	*stage
	sink *sink
	pool pool
}

// load makes the directory. One is enough: there is no row about growth.
func (e *enrolment) load(ctx context.Context) (err error) {
	if e.big, err = e.place(ctx, "big"); err != nil {
		return err
	}
	e.Say("loading %d users by sallyport import", e.Users)
	_, err = e.fill(ctx, e.big, e.data, 0, e.Users)
	return err
}

// outOfReach is the value of limits that would measure themselves.
const outOfReach = "1000000000"

// env raises the limits that may be raised. Those that may not, on sends to
// one user and one destination, are kept by going round the users with a new
// destination each time.
func (e *enrolment) env() []string {
	return append(e.big.env(),
		"SALLYPORT_SECOND_FACTORS_LIMITS_CLIENT_HOUR="+outOfReach, "SALLYPORT_SECOND_FACTORS_LIMITS_EMAIL_MINUTE="+outOfReach,
		"SALLYPORT_SMTP_URL=smtp://"+e.sink.address()+"?tls=off", "SALLYPORT_SMTP_FROM=bench@example.com")
}

func (e *enrolment) start(ctx context.Context) (err error) {
	if e.sink, err = newSink(ctx); err != nil {
		return err
	}
	j, err := e.do(ctx, program{[]string{
		"token", "create", "--name", "bench", "--scope", "urn:pingidentity:scope:admin:validated_email_address",
	}, e.env()}, nil)
	if err != nil {
		return err
	}
	args := []string{"serve", "--listen", "127.0.0.1:0"}
	if e.CPUProfile+e.MemProfile != "" {
		args = []string{"bench", "profiled", "--cpuprofile", e.CPUProfile, "--memprofile", e.MemProfile}
	}
	if e.server, err = e.serve(ctx, "server", program{args, e.env()}, "/readyz"); err != nil {
		return err
	}
	e.server.site.token = strings.TrimSpace(j.out)
	e.services = append(e.services, e.server)
	e.baseline, err = e.serve(ctx, "baselines",
		program{[]string{"bench", "baseline", e.big.database}, e.big.env()}, "/hello")
	if err == nil {
		e.services = append(e.services, e.baseline)
	}
	return err
}

// close takes back what the stage made outside its folder.
func (e *enrolment) close(ctx context.Context) error {
	err := e.stage.close(ctx)
	if e.sink != nil {
		err = errors.Join(err, e.sink.close())
	}
	return err
}

// rounds gives every target its slices.
func (e *enrolment) rounds(ctx context.Context) error {
	all := e.targets()
	order := rand.New(rand.NewPCG(4, 5)) //nolint:gosec // an order, the same every time
	for n := range e.Rounds {
		e.Say("round %d of %d", n+1, e.Rounds)
		order.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if err := e.calibrate(); err != nil {
			return err
		}
		for _, t := range all {
			if err := e.slice(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// slice takes one slice, again with more codes at hand if they ran out.
func (e *enrolment) slice(ctx context.Context, t *target) error {
	err := e.sample(ctx, t, 0)
	for range maxSpent {
		if !errors.Is(err, errSpent) {
			break
		}
		e.pool.each *= 2
		err = e.sample(ctx, t, 0)
	}
	return err
}

// maxSpent bounds how often a slice is repeated for want of codes.
const maxSpent = 4
