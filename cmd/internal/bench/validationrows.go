package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Names of the targets.
const (
	tInsert, tUpdate = "one durable insert", "one durable insert + update"
	tStart, tFinish  = "validation-post", "validation-put"
)

// rows are the goals.
func (e *enrolment) rows() []row {
	return []row{
		{tStart, "POST validatedEmailAddresses: code at the gateway", tStart, tInsert, 0.6},
		{tFinish, "PUT of the state with the code: value validated", tFinish, tUpdate, 0.6},
	}
}

// targets are the kinds of requests that the wanted rows need.
func (e *enrolment) targets() []*target {
	var out []*target
	if e.wants(tStart) {
		out = append(out,
			&target{name: tInsert, at: onBaseline, status: 201, durable: true, next: e.bare("POST")},
			&target{name: tStart, at: onServer, status: 201, durable: true, next: e.post})
	}
	if e.wants(tFinish) {
		out = append(out,
			&target{name: tUpdate, at: onBaseline, status: 200, durable: true, next: e.bare("PUT")},
			&target{name: tFinish, at: onServer, status: 200, durable: true, before: e.prepare, next: e.put})
	}
	return out
}

// userSends is how many codes one user may be sent a day.
const userSends = 10

// Faults of a slice.
var (
	errSpent   = errors.New("the codes that were prepared are spent")
	errFew     = errors.New("a slice takes more codes than there are users, and each has one at a time: take more --users or a shorter --slice")
	errLimited = errors.New("every user was sent as many codes as the limits allow a day: take more --users")
)

// destination is where code n goes. Every one is new.
func destination(n int) string { return "second.factor." + strconv.Itoa(n) + "@mail.example.org" }

// bare sends what a start sends to the bare handlers.
func (e *enrolment) bare(method string) func(*stage, *worker) []byte {
	return func(_ *stage, w *worker) []byte {
		return w.request(method, challengePath, messageTo(w.rng.IntN(outOf), ""))
	}
}

// outOf is the number of destinations that the bare handlers are sent.
const outOf = 1_000_000

// messageTo is the body about the destination of code n.
func messageTo(n int, more string) string {
	return `{"schemas":["urn:pingidentity:scim:api:messages:2.0:EmailValidationRequest"],"attributePath":"secondFactorEmail",` +
		`"attributeValue":"` + destination(n) + `"` + more + `}`
}

// validated is the path of a user's e-mail addresses. Code n goes to user n,
// round and round.
func (e *enrolment) validated(n int) string {
	return string(appendID([]byte(usersPath+"/"), n%e.Users)) + "/validatedEmailAddresses"
}

// send builds the start of the next code, and returns its number.
func (e *enrolment) send(w *worker, more string) (request []byte, n int) {
	if n = int(e.posted.Add(1)) - 1; n >= e.Users*userSends {
		w.failed = errLimited
		return nil, n
	}
	return w.request("POST", e.validated(n), messageTo(n, more)), n
}

func (e *enrolment) post(_ *stage, w *worker) []byte {
	request, _ := e.send(w, "")
	return request
}

// pool is the codes that wait to be sent back.
type pool struct {
	each  float64 // how many to prepare for a second of a slice
	codes []sentCode
	next  atomic.Int64
}

// sentCode is one code that was sent, with the state that it goes with.
type sentCode struct {
	n           int
	state, code string
}

// firstEach is pool.each before any slice has told better.
const firstEach = 2000

// put sends the next code of the pool back.
func (e *enrolment) put(_ *stage, w *worker) []byte {
	i := int(e.pool.next.Add(1)) - 1
	if i >= len(e.pool.codes) {
		if w.failed = errSpent; len(e.pool.codes) == e.Users {
			w.failed = errFew
		}
		return nil
	}
	c := &e.pool.codes[i]
	return w.request("PUT", e.validated(c.n)+"/"+c.state, messageTo(c.n, `,"verifyCode":"`+c.code+`"`))
}

// spareCodes is how many more codes are prepared than the last slice used.
const spareCodes = 1.5

// prepare fills the pool for a slice of that length.
func (e *enrolment) prepare(ctx context.Context, length time.Duration) error {
	if done := e.samples[tFinish]; len(done) > 0 {
		e.pool.each = max(e.pool.each, spareCodes*done[len(done)-1].rate())
	}
	if e.pool.each == 0 {
		e.pool.each = firstEach
	}
	// A second code for a user would kill the first.
	want := min(e.Users, int(e.pool.each*(length+warmUp).Seconds())+defaultConns)
	e.pool.codes = make([]sentCode, want)
	e.pool.next.Store(0)
	workers, err := e.workers(ctx, &target{at: onServer})
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() { w.failed = e.collect(ctx, w) })
	}
	wg.Wait()
	for _, w := range workers {
		err = errors.Join(err, w.failed, w.conn.close())
	}
	e.pool.next.Store(0)
	return err
}

// collect sends codes until the pool is full, and finds each in its mail.
func (e *enrolment) collect(ctx context.Context, w *worker) error {
	var body bytes.Buffer
	for ctx.Err() == nil {
		i := int(e.pool.next.Add(1)) - 1
		if i >= len(e.pool.codes) {
			return nil
		}
		request, n := e.send(w, `,"messageSubject":"`+codeSubject+`%code%","messageText":"The code is %code%."`)
		if request == nil {
			return w.failed
		}
		body.Reset()
		status, err := w.conn.do(request, &body)
		if err == nil && status != 201 {
			err = fmt.Errorf("status %d: %.300s", status, body.Bytes())
		}
		if err != nil {
			return fmt.Errorf("send a code: %w", err)
		}
		var reply struct {
			ID string `json:"id"`
		}
		if err := json.Unmarshal(body.Bytes(), &reply); err != nil {
			return fmt.Errorf("read the reply about a code: %w", err)
		}
		c := sentCode{n, reply.ID, e.sink.take(destination(n))}
		if c.code == "" {
			return fmt.Errorf("no mail came to %s", destination(n))
		}
		e.pool.codes[i] = c
	}
	return ctx.Err()
}
