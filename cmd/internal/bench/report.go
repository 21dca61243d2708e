package bench

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Verdicts of a row.
const (
	Met      = "met"
	Missed   = "NOT MET"
	TooNoisy = "too noisy"
)

// Report is what was measured.
type Report struct {
	Users    int     `json:"users"`
	Rounds   int     `json:"rounds"`
	Database string  `json:"database"`
	Cores    int     `json:"cores"`
	Fsyncs   float64 `json:"fsyncs_per_second,omitempty"` // median, of a page at a time
	// FsyncSpread is the greatest number of fsyncs of a round over the least.
	FsyncSpread float64  `json:"fsync_spread,omitempty"`
	Results     []Result `json:"results"`
}

// Result is one row.
type Result struct {
	Key       string `json:"key"`
	Operation string `json:"operation"`
	// Rate is requests (or users) a second, P50, P99 and CPU microseconds, each
	// the median of the rounds. CPU is that of the serving process for one
	// request.
	Rate     float64 `json:"rate,omitempty"`
	P50      float64 `json:"p50_us,omitempty"`
	P99      float64 `json:"p99_us,omitempty"`
	CPU      float64 `json:"cpu_us,omitempty"`
	Baseline string  `json:"baseline,omitempty"`
	// BaselineRate and BaselineCPU are those of what the row is held against.
	BaselineRate float64 `json:"baseline_rate,omitempty"`
	BaselineCPU  float64 `json:"baseline_cpu_us,omitempty"`
	// Value is the median of the ratios of the rounds, or the figure itself in
	// Unit.
	Value  float64   `json:"value"`
	Unit   string    `json:"unit,omitempty"`
	Ratios []float64 `json:"ratios,omitempty"`
	// Others is the share of the machine that other processes used, at worst.
	Others  float64 `json:"others"`
	Demand  float64 `json:"demand"`
	AtMost  bool    `json:"at_most,omitempty"` // Demand is an upper bound
	Verdict string  `json:"verdict"`
}

// Failed are the rows that do not meet their demand.
func (r *Report) Failed() []Result {
	return slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Verdict != Missed })
}

func (st *stage) report() *Report {
	r := st.reportOf(ratioRows())
	if st.wants(rowHalfLoad) {
		r.Results = append(r.Results, st.tail(rowHalfLoad, "GET at half of the greatest load: p99"))
	}
	for _, x := range append(st.importResults(), st.otherResults()...) {
		if st.wants(x.Key) {
			r.Results = append(r.Results, st.judged(x))
		}
	}
	return r
}

// reportOf is the report about ratios.
func (st *stage) reportOf(rows []row) *Report {
	r := &Report{Users: st.Users, Rounds: st.Rounds, Database: "sqlite", Cores: cores()}
	if st.Database != "" {
		r.Database = "postgres"
	}
	if len(st.fsyncs) > 0 {
		r.Fsyncs = median(st.fsyncs)
		r.FsyncSpread = slices.Max(st.fsyncs) / max(1, slices.Min(st.fsyncs))
	}
	for _, row := range rows {
		if st.wants(row.key) {
			r.Results = append(r.Results, st.ratio(row))
		}
	}
	return r
}

// ratio is the row of two targets.
func (st *stage) ratio(row row) Result {
	ours, base := st.samples[row.target], st.samples[row.baseline]
	x := st.described(ours)
	x.Key, x.Operation, x.Baseline, x.Demand = row.key, row.title, row.baseline, row.demand
	b := st.described(base)
	x.BaselineRate, x.BaselineCPU = b.Rate, b.CPU
	x.Others = max(x.Others, b.Others)
	for i := range min(len(ours), len(base)) {
		x.Ratios = append(x.Ratios, ours[i].rate()/base[i].rate())
	}
	x.Value = median(x.Ratios)
	noise := st.noisy(ours) || st.noisy(base) || spread(x.Ratios) > tooWide
	return st.judge(x, noise)
}

// tail is a row of the tail at half of the greatest load.
func (st *stage) tail(key, title string) Result {
	all := st.samples[key]
	x := st.described(all)
	x.Key, x.Operation, x.Baseline, x.Demand, x.AtMost = key, title, "p50", 20, true
	for _, s := range all {
		x.Ratios = append(x.Ratios, float64(s.quantile(0.99))/float64(max(1, s.quantile(0.5))))
	}
	x.Value = median(x.Ratios)
	return st.judge(x, st.noisy(all))
}

// described fills in what the slices of one target say.
func (st *stage) described(all []*slice) Result {
	var x Result
	x.Rate = medianOf(all, func(s *slice) float64 { return s.rate() })
	x.P50 = medianOf(all, func(s *slice) float64 { return micros(s.quantile(0.5)) })
	x.P99 = medianOf(all, func(s *slice) float64 { return micros(s.quantile(0.99)) })
	x.CPU = medianOf(all, func(s *slice) float64 { return micros(s.cpuEach()) })
	for _, s := range all {
		x.Others = max(x.Others, s.others)
	}
	return x
}

// noisy says whether others disturbed most slices, though they were repeated.
func (st *stage) noisy(all []*slice) bool {
	n := 0
	for _, s := range all {
		if s.others > disturbed {
			n++
		}
	}
	return 2*n > len(all)
}

// tooWide is the spread of ratios past which their median says nothing.
const tooWide = 0.5

// spread is the distance between the quartiles over the median.
func spread(v []float64) float64 {
	if len(v) < 4 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return (s[len(s)*3/4] - s[len(s)/4]) / median(s)
}

func (st *stage) judged(x Result) Result { return st.judge(x, false) }

// judge holds a row against its demand.
func (st *stage) judge(x Result, noise bool) Result {
	switch {
	case math.IsNaN(x.Value) || math.IsInf(x.Value, 0):
		x.Value, x.Verdict = 0, TooNoisy
	case noise && !st.AllowNoise:
		x.Verdict = TooNoisy
	case x.Demand == 0:
		x.Verdict = ""
	case x.AtMost && x.Value <= x.Demand*(1+st.Tolerance), !x.AtMost && x.Value >= x.Demand*(1-st.Tolerance):
		x.Verdict = Met
	default:
		x.Verdict = Missed
	}
	return x
}

func (st *stage) importResults() []Result {
	s := st.single
	import1 := func(key, title string, i imported, shell, demand float64) Result {
		return Result{
			Key: key, Operation: title, Rate: i.rate(), Baseline: ".import of the same rows", BaselineRate: shell,
			Value: i.rate() / shell, Demand: demand,
		}
	}
	took := func(jobs []job) float64 {
		return medianOf(jobs, func(j job) float64 { return j.took.Seconds() })
	}
	users := float64(st.Users)
	return []Result{
		import1(rowStopped, "import, server stopped", s.stopped, s.shell[0], 0.7),
		import1(rowRunning, "import, server running", s.running, s.shell[1], 0.4),
		{Key: rowImportMem, Operation: "import: resident memory at its peak", Value: mib(s.stopped.job.peak), Unit: "MiB", Demand: 300, AtMost: true},
		{
			Key: rowExport, Operation: "export", Rate: users / took(s.export), Baseline: "reading the same rows",
			BaselineRate: users / took(s.dump), Value: took(s.dump) / took(s.export), Demand: 0.5,
		},
		{
			Key: rowExportMem, Operation: "export: resident memory at its peak", Unit: "MiB", Demand: 100, AtMost: true,
			Value: medianOf(s.export, func(j job) float64 { return mib(j.peak) }),
		},
	}
}

func (st *stage) otherResults() []Result {
	s := st.single
	ready := medianOf(s.ready, micros)
	hello := medianOf(s.hello, micros)
	return []Result{
		{Key: rowParse, Operation: "parse a simple filter", CPU: micros(s.parse), Value: micros(s.parse), Unit: "µs", Demand: 3, AtMost: true},
		{Key: rowParse, Operation: "parse a simple filter: allocations", Value: s.parseAllocs, Unit: "allocs", Demand: 20, AtMost: true},
		{
			Key: rowStart, Operation: "start to first answer, in " + ms(ready), Baseline: "a Go hello, in " + ms(hello),
			Value: ready / hello, Demand: 8, AtMost: true,
		},
		{Key: rowIdle, Operation: "resident memory, idle", Value: mib(s.idle.resident), Unit: "MiB", Demand: 60, AtMost: true},
		{
			Key: rowAnonymous, Operation: "anonymous memory, idle, over that with 10,000 users",
			Value: float64(s.idle.anonymous) / float64(s.idleSmall.anonymous), Demand: 1.2, AtMost: true,
		},
		{Key: rowPeak, Operation: "resident memory, peak under this load", Value: mib(s.peak.peak), Unit: "MiB", AtMost: true},
		{
			Key: rowBinary, Operation: fmt.Sprintf("binary without symbols, of %.1f MiB", mib(s.binary)),
			Baseline: fmt.Sprintf("hello with its dependencies, of %.1f", mib(s.plain)),
			Value:    float64(s.binary) / float64(s.plain), Demand: 1.4, AtMost: true,
		},
	}
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

func ms(us float64) string {
	return (time.Duration(us) * time.Microsecond).Round(time.Millisecond / 10).String()
}

func median(v []float64) float64 {
	return medianOf(v, func(f float64) float64 { return f })
}

// medianOf is the median of what of says about the elements; NaN for none.
func medianOf[T any](all []T, of func(T) float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	v := make([]float64, len(all))
	for i, e := range all {
		v[i] = of(e)
	}
	slices.SortFunc(v, cmp.Compare)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
