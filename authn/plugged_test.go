package authn_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/validation"
)

// gate is a plugged-in factor: whoever is in it holds one credential, whose word
// counts once.
type gate struct {
	factor acr.Factor
	kind   authn.Kind

	mu      sync.Mutex
	holders map[string]string // user -> word
	spent   map[string]bool   // words
	pending bool
	down    bool
	seen    []authn.Attempt
	typed   int // answers that are not ""
	starts  atomic.Int64
	checks  atomic.Int64
}

func (g *gate) Factor() acr.Factor { return g.factor }
func (g *gate) Kind() authn.Kind   { return g.kind }

func (g *gate) Credentials(_ context.Context, u authn.User, _ validation.Holdings) ([]authn.Credential, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holders[u.ID] == "" {
		return nil, nil
	}
	return []authn.Credential{{Name: string(g.factor) + ":" + u.ID, Label: "The gate", Masked: "g***"}}, nil
}

func (g *gate) Start(_ context.Context, a authn.Attempt) (authn.Started, error) {
	g.starts.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down {
		return authn.Started{}, authn.ErrUnavailable
	}
	return authn.Started{Data: json.RawMessage(`{"for":"` + a.User.ID + `"}`), Prompt: "Look at the gate."}, nil
}

func (g *gate) Check(_ context.Context, a authn.Attempt, answer string) (authn.Verdict, error) {
	g.checks.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, a)
	if g.down {
		return authn.Verdict{}, authn.ErrUnavailable
	}
	if answer != "" {
		g.typed++
	}
	if g.kind.Waits {
		return authn.Verdict{Right: !g.pending && g.holders[a.User.ID] != "", Pending: g.pending, AMR: []string{"user"}}, nil
	}
	word := g.holders[a.User.ID]
	return authn.Verdict{Right: word != "" && word == answer, Use: word}, nil
}

func (g *gate) Consume(_ context.Context, a authn.Attempt, v authn.Verdict) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	word, _ := v.Use.(string)
	if g.kind.Waits {
		return nil
	}
	if g.spent[word] || g.holders[a.User.ID] != word {
		return authn.ErrAnswerUsed
	}
	g.spent[word] = true
	return nil
}

// gated is a world in which ann may come through the gate.
func gated(t *testing.T, run func(w *world, g *gate), kind authn.Kind) {
	t.Helper()
	eachWorld(t, func(t *testing.T, w *world) {
		g := &gate{factor: "gate", kind: kind, holders: map[string]string{w.ann: "mellon"}, spent: map[string]bool{}}
		w.engine = w.node(w.db, func(cfg *authn.Config) { cfg.Authenticators = []authn.Authenticator{g} })
		w.second(w.ann, true)
		run(w, g)
	})
}

func TestPluggedSecondFactor(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, g *gate) {
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		ask := stepIs[authn.AskCode](w, b.next(id))
		want := authn.Choice{Factor: "gate", Credential: "gate:" + w.ann, Name: "The gate", Masked: "g***"}
		if d := cmp.Diff(want, ask.Choice); d != "" {
			w.Error("choice (-want +got):\n" + d)
		}
		refused(w, b.code(id, ""), authn.Missing)
		refused(w, b.code(id, "friend"), authn.WrongCode)
		b.mustCode(id, "mellon")
		ready := b.mustIssue(id)
		if d := cmp.Diff([]string{"hwk", "mfa", "pwd"}, ready.Issue.AMR); d != "" {
			w.Error("amr (-want +got):\n" + d)
		}
		if g.starts.Load() != 0 {
			w.Error("one that starts nothing was started")
		}
		// An answer counts once, however often it is right.
		second := w.browser()
		id = second.begin(reach("Gate"))
		second.mustLogin(id, "ann", annPassword)
		refused(w, second.code(id, "mellon"), authn.WrongCode)
	}, authn.Kind{Category: acr.Possession, AMR: []string{"hwk"}})
}

// TestPluggedCategory: what an authenticator says that it rests on decides what
// it may stand beside.
func TestPluggedCategory(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, _ *gate) {
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		if f := stepIs[authn.Failed](w, b.next(id)); f.Reason != acr.Unreachable {
			w.Errorf("knowledge beside knowledge: %v", f.Reason)
		}
	}, authn.Kind{Category: acr.Knowledge})
}

// TestPluggedTriesAreCounted: five wrong answers close the factor, in every
// login and browser, and a right one does not come through.
func TestPluggedTriesAreCounted(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, g *gate) {
		for range 5 {
			b := w.browser()
			id := b.begin(reach("Gate"))
			b.mustLogin(id, "ann", annPassword)
			refused(w, b.code(id, "friend"), authn.WrongCode)
		}
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		checks := g.checks.Load()
		refused(w, b.code(id, "mellon"), authn.FactorLocked)
		if g.checks.Load() != checks {
			w.Error("a closed factor was asked")
		}
		w.o.Clock.Advance(time.Hour)
		id = b.begin(reach("Gate"))
		b.mustCode(id, "mellon")
	}, authn.Kind{Category: acr.Possession})
}

// TestPluggedAnswerCountsOnce: of two hundred right answers at once, in as many
// browsers, one is a proof.
func TestPluggedAnswerCountsOnce(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, _ *gate) {
		const many = 40
		browsers := make([]*browser, many)
		ids := make([]string, many)
		for i := range browsers {
			browsers[i] = w.browser()
			ids[i] = browsers[i].begin(reach("Gate"))
			browsers[i].mustLogin(ids[i], "ann", annPassword)
		}
		var wg sync.WaitGroup
		var right atomic.Int64
		for i, b := range browsers {
			txn := b.load(ids[i])
			for range 5 {
				wg.Go(func() {
					if _, err := b.e.Code(w.Context(), b.v, txn, "mellon"); err == nil {
						right.Add(1)
					}
				})
			}
		}
		wg.Wait()
		if n := right.Load(); n > 1 {
			w.Errorf("%d proofs from one answer", n)
		}
		if n := len(w.events(audit.LoginStepUp)); int64(n) != right.Load() {
			w.Errorf("%d events of %d proofs", n, right.Load())
		}
	}, authn.Kind{Category: acr.Possession})
}

// TestPluggedThatWaits: nothing is typed, asking again counts as no try, and
// each start that leads to nothing does.
func TestPluggedThatWaits(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, g *gate) {
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		stepIs[authn.AskFactor](w, b.next(id))
		refused(w, b.code(id, ""), authn.OutOfStep)
		g.pending = true
		w.check(b.choose(id, "", "gate", "gate:"+w.ann))
		ask := stepIs[authn.AskCode](w, b.next(id))
		if !ask.Waits || ask.Prompt != "Look at the gate." {
			w.Errorf("page: %+v", ask)
		}
		for range 20 {
			refused(w, b.code(id, ""), authn.Waiting)
		}
		// No text reaches a factor at which asking counts as no try.
		refused(w, b.code(id, "0000"), authn.Waiting)
		if g.typed != 0 {
			w.Error("an answer was typed where none is, and counted nowhere")
		}
		if data := string(g.seen[0].Data); data != `{"for":"`+w.ann+`"}` {
			w.Errorf("data of the start came back as %s", data)
		}
		// Another browser bothers ann again and again: it is stopped.
		for range 4 {
			other := w.browser()
			o := other.begin(reach("Gate"))
			other.mustLogin(o, "ann", annPassword)
			w.check(other.choose(o, "", "gate", "gate:"+w.ann))
		}
		other := w.browser()
		o := other.begin(reach("Gate"))
		other.mustLogin(o, "ann", annPassword)
		refused(w, other.choose(o, "", "gate", "gate:"+w.ann), authn.FactorLocked)
		if n := g.starts.Load(); n != 5 {
			w.Errorf("%d starts, want 5", n)
		}
		g.pending = false
		b.mustCode(id, "")
		if ready := b.mustIssue(id); !slices.Contains(ready.Issue.AMR, "user") {
			w.Errorf("amr %v lacks what the verdict said", ready.Issue.AMR)
		}
	}, authn.Kind{Category: acr.Possession, Starts: true, Waits: true})
}

// TestPluggedStartsAreLimited: what is started sends something, so it obeys the
// limits of sends, whoever asks. A stranger sees no difference.
func TestPluggedStartsAreLimited(t *testing.T) {
	t.Parallel()
	kind := authn.Kind{Category: acr.Possession, First: true, Starts: true}
	gated(t, func(w *world, g *gate) {
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		w.check(b.choose(id, "", "gate", "gate:"+w.ann))
		refused(w, b.e.Send(w.Context(), b.v, b.load(id)), authn.SendLimited)
		other := w.browser()
		o := other.begin(reach("Gate"))
		other.mustLogin(o, "ann", annPassword)
		refused(w, other.choose(o, "", "gate", "gate:"+w.ann), authn.SendLimited)
		if n := g.starts.Load(); n != 1 {
			w.Errorf("%d starts, want 1", n)
		}
		b.mustCode(id, "mellon")
	}, kind)
	gated(t, func(w *world, g *gate) {
		w.second(w.ann, false)
		for _, name := range []string{"ann", "nobody"} {
			before := g.starts.Load()
			for range 20 {
				b := w.browser()
				id := b.begin(reach("GateFirst"))
				w.check(b.choose(id, name, "gate", ""))
				w.check(b.e.Send(w.Context(), b.v, b.load(id)))
				if ask := stepIs[authn.AskCode](w, b.next(id)); ask.User.ID != "" {
					w.Errorf("%s: the page tells %+v", name, ask)
				}
			}
			if n := g.starts.Load() - before; n != 1 {
				w.Errorf("%s: %d starts, want 1", name, n)
			}
		}
	}, kind)
}

// TestPluggedThatIsDown: the other ways are still there, and the audit trail
// says so.
func TestPluggedThatIsDown(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, g *gate) {
		w.enrolApp()
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		g.down = true
		refused(w, b.choose(id, "", "gate", "gate:"+w.ann), authn.Unavailable)
		stepIs[authn.AskFactor](w, b.next(id))
		failed := slices.DeleteFunc(w.events(audit.ChallengeSent), func(e audit.Event) bool { return e.Outcome != audit.Failed })
		if len(failed) != 1 || failed[0].Reason != "provider_unavailable" {
			w.Errorf("events: %+v", failed)
		}
		w.check(b.choose(id, "", acr.TOTP, ""))
		b.mustCode(id, w.appCode())
		b.mustIssue(id)
	}, authn.Kind{Category: acr.Possession, Starts: true})
}

// TestPluggedFirstFactor: it looks alike for a name that is nobody's, is counted
// by account, and logs in whom it is right for.
func TestPluggedFirstFactor(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, g *gate) {
		w.second(w.ann, false)
		for _, name := range []string{"nobody", "bob"} {
			b := w.browser()
			id := b.begin(reach("GateFirst"))
			if f := stepIs[authn.AskLogin](w, b.next(id)).Factors; !slices.Contains(f, "gate") {
				w.Fatalf("first factors %v", f)
			}
			w.check(b.choose(id, name, "gate", ""))
			ask := stepIs[authn.AskCode](w, b.next(id))
			if ask.User.ID != "" || ask.Choice.Masked != "" || ask.Choice.Name != "" {
				w.Errorf("%s: the page tells %+v", name, ask)
			}
			refused(w, b.code(id, "mellon"), authn.WrongCode)
		}
		if n := g.checks.Load(); n != 2 {
			w.Errorf("%d answers were judged, want both", n)
		}
		b := w.browser()
		id := b.begin(reach("GateFirst"))
		w.check(b.choose(id, "ann", "gate", ""))
		refused(w, b.code(id, "friend"), authn.WrongCode)
		b.mustCode(id, "mellon")
		if ready := b.mustIssue(id); ready.User.ID != w.ann || ready.Issue.ACR != "GateFirst" {
			w.Errorf("ready: %s %s", ready.User.UserName, ready.Issue.ACR)
		}
	}, authn.Kind{Category: acr.Possession, First: true, Starts: true})
}

// TestPluggedThatIsOff: switched off it is not asked for, while what was shown
// with it still counts; removed, that counts no more.
func TestPluggedThatIsOff(t *testing.T) {
	t.Parallel()
	gated(t, func(w *world, g *gate) {
		b := w.browser()
		id := b.begin(reach("Gate"))
		b.mustLogin(id, "ann", annPassword)
		b.mustCode(id, "mellon")
		b.mustIssue(id)
		w.check(w.db.SetCredential(w.Context(), w.ann, "gate:"+w.ann, func(s *validation.CredentialSetting) error {
			s.Off = true
			return nil
		}))
		again := b.begin(reach("Gate"))
		stepIs[authn.Ready](w, b.next(again))
		other := w.browser()
		id = other.begin(reach("Gate"))
		other.mustLogin(id, "ann", annPassword)
		stepIs[authn.Failed](w, other.next(id))
		g.mu.Lock()
		delete(g.holders, w.ann)
		g.mu.Unlock()
		stepIs[authn.Failed](w, b.next(again))
	}, authn.Kind{Category: acr.Possession})
}

func TestAuthenticatorsAreChecked(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for name, all := range map[string][]authn.Authenticator{
			"a built-in factor":     {&gate{factor: acr.TOTP}},
			"no name":               {&gate{}},
			"two of one":            {&gate{factor: "gate"}, &gate{factor: "gate"}},
			"waits for nothing":     {&gate{factor: "gate", kind: authn.Kind{Waits: true}}},
			"the remembered device": {&gate{factor: acr.Device}},
		} {
			cfg := w.cfg
			cfg.Authenticators = all
			if _, err := authn.New(cfg); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
	})
}
