package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// Ids are those that an import keeps: UUIDv7 in lower case, growing with the
// number, never the same for users and groups.
func TestIDs(t *testing.T) {
	t.Parallel()
	last := ""
	for i := range 5000 {
		text := string(appendID(nil, i))
		id, err := uuid.Parse(text)
		if err != nil || id.String() != text || id.Version() != 7 || id.Variant() != uuid.RFC4122 {
			t.Fatalf("id %d = %q: %v", i, text, err)
		}
		if text <= last {
			t.Fatalf("id %d = %q does not follow %q", i, text, last)
		}
		last = text
	}
	if groupID(0) <= last || groupID(0) == groupID(1) {
		t.Errorf("groups %q and %q", groupID(0), groupID(1))
	}
}

func TestUsers(t *testing.T) {
	t.Parallel()
	d := data{20_000}
	names := map[string]bool{}
	size := 0
	for i := range 2000 {
		text := d.appendUser(nil, i, "", true)
		size += len(text)
		var u struct {
			ID         string `json:"id"`
			UserName   string `json:"userName"`
			ExternalID string `json:"externalId"`
			Name       struct {
				FamilyName string `json:"familyName"`
			} `json:"name"`
			Emails []struct {
				Value string `json:"value"`
				Type  string `json:"type"`
			} `json:"emails"`
		}
		if err := json.Unmarshal(text, &u); err != nil {
			t.Fatalf("user %d: %v", i, err)
		}
		p := d.person(i)
		want := []string{string(appendID(nil, i)), p.name, p.external, p.family, p.work}
		if diff := cmp.Diff(want, []string{u.ID, u.UserName, u.ExternalID, u.Name.FamilyName, u.Emails[0].Value}); diff != "" {
			t.Fatalf("user %d (-asked for +written):\n%s", i, diff)
		}
		names[u.UserName] = true
	}
	if len(names) != 2000 {
		t.Errorf("%d names of 2000 users", len(names))
	}
	if mean := size / 2000; mean < 1100 || mean > 1700 {
		t.Errorf("a user has %d bytes, want about 1.2 kB", mean)
	}
	if a, b := d.appendUser(nil, 7, "", false), d.appendUser(nil, 7, "", false); !bytes.Equal(a, b) {
		t.Error("the same user differs from one time to the next")
	}
}

// Readers, patched users, members and those who are added do not meet.
func TestUsersOfRowsAreApart(t *testing.T) {
	t.Parallel()
	for _, users := range []int{MinUsers, 100_000, 1_000_000} {
		d := data{users}
		if d.users/patched > d.members() {
			t.Errorf("%d users: PATCH reaches the members", users)
		}
		if end := d.members() + d.largeMembers(); end > users*3/4 {
			t.Errorf("%d users: members reach %d, readers begin at %d", users, end, users*3/4)
		}
		if users*3/4 >= users-spare {
			t.Errorf("%d users: nobody is left to read", users)
		}
	}
}

// pipe is a connection with its other end.
func pipe(t *testing.T) (*conn, net.Conn) {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return newConn(ours), theirs
}

func TestConnReadsAnswers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		status int
		body   string
	}{
		"length":     {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"},
		"lower case": {"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nab", 201, "ab"},
		"chunks":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, "abcde"},
		"no content": {"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		"304":        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, theirs := pipe(t)
			go func() {
				_, _ = io.ReadFull(theirs, make([]byte, 3))
				_, _ = io.WriteString(theirs, c.text+"HTTP/1.1 599 Next\r\n\r\n")
			}()
			var body bytes.Buffer
			status, err := conn.do([]byte("GET"), &body)
			if err != nil || status != c.status || body.String() != c.body || conn.size != len(c.body) {
				t.Errorf("do = %d, %v, body %q of %d, want %d, %q", status, err, body.String(), conn.size, c.status, c.body)
			}
			// Nothing of this answer is left for the next.
			if line, err := conn.r.ReadString('\n'); err != nil || !strings.Contains(line, "599") {
				t.Errorf("next line %q, %v", line, err)
			}
		})
	}
}

func TestConnRefusesNonsense(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"SSH-2.0-OpenSSH_9.2 and so on\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		conn, theirs := pipe(t)
		go func() {
			_, _ = io.ReadFull(theirs, make([]byte, 3))
			_, _ = io.WriteString(theirs, text)
		}()
		if status, err := conn.do([]byte("GET"), nil); err == nil {
			t.Errorf("%q: status %d, no error", text, status)
		}
	}
}

// testStage serves h in this process.
func testStage(t *testing.T, h http.Handler) *stage {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	sv := &service{name: "test", site: site{address: s.Listener.Addr().String(), token: "secret"}, cmd: &exec.Cmd{Process: self}}
	return &stage{
		Bench: &Bench{Slice: 100 * time.Millisecond, AllowNoise: true, Say: t.Logf}, data: data{MinUsers},
		server: sv, samples: map[string][]*slice{},
	}
}

func TestSliceCounts(t *testing.T) {
	t.Parallel()
	st := testStage(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = io.WriteString(w, "hello")
	}))
	ask := func(_ *stage, w *worker) []byte { return w.request("GET", "/", "") }
	s, err := st.run(t.Context(), &target{name: "hello", at: onServer, conns: 4, status: 200, least: 5, next: ask}, st.Slice, 0)
	if err != nil {
		t.Fatal(err)
	}
	if s.requests == 0 || s.requests != len(s.took) || s.rate() <= 0 || s.quantile(0.5) > s.quantile(0.99) || s.quantile(0.5) <= 0 {
		t.Errorf("slice of %d requests, rate %f, p50 %s, p99 %s", s.requests, s.rate(), s.quantile(0.5), s.quantile(0.99))
	}
	for name, wrong := range map[string]*target{
		"status": {name: "x", at: onServer, conns: 1, status: 404, next: ask},
		"size":   {name: "x", at: onServer, conns: 1, status: 200, least: 6, next: ask},
	} {
		if _, err := st.run(t.Context(), wrong, st.Slice, 0); err == nil {
			t.Errorf("a wrong %s goes unnoticed", name)
		}
	}
}

// An open load sends what it was told to, not what the server can take.
func TestSlicePaces(t *testing.T) {
	t.Parallel()
	st := testStage(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func(_ *stage, w *worker) []byte { return w.request("GET", "/", "") }
	s, err := st.run(t.Context(), &target{name: "paced", at: onServer, conns: 2, status: 200, next: ask}, time.Second, 50)
	if err != nil {
		t.Fatal(err)
	}
	if s.rate() > 75 {
		t.Errorf("%.0f requests a second, want about 50", s.rate())
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	t.Parallel()
	used, err := processTime(os.Getpid())
	if runtime.GOOS != "linux" {
		if err == nil {
			t.Error("processor time without /proc")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	all, err := machineTime()
	if err != nil || all < used {
		t.Errorf("machine %s, this process %s, %v", all, used, err)
	}
	m, err := memoryOf(os.Getpid())
	if err != nil || m.anonymous <= 0 || m.resident < m.anonymous || m.peak < m.resident/2 {
		t.Errorf("memory %+v, %v", m, err)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	st := &stage{Bench: &Bench{}}
	for name, c := range map[string]struct {
		x         Result
		noise     bool
		tolerance float64
		want      string
	}{
		"enough":           {Result{Value: 0.9, Demand: 0.85}, false, 0, Met},
		"too little":       {Result{Value: 0.8, Demand: 0.85}, false, 0, Missed},
		"within tolerance": {Result{Value: 0.75, Demand: 0.85}, false, 0.15, Met},
		"below tolerance":  {Result{Value: 0.72, Demand: 0.85}, false, 0.15, Missed},
		"small enough":     {Result{Value: 7, Demand: 8, AtMost: true}, false, 0, Met},
		"too much":         {Result{Value: 9.5, Demand: 8, AtMost: true}, false, 0.15, Missed},
		"noise":            {Result{Value: 0.9, Demand: 0.85}, true, 0, TooNoisy},
		"nothing measured": {Result{Value: math.NaN(), Demand: 0.85}, false, 0, TooNoisy},
		"no demand":        {Result{Value: 0.1}, false, 0, ""},
	} {
		st.Tolerance = c.tolerance
		if got := st.judge(c.x, c.noise).Verdict; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestNoiseIsToldFromSignal(t *testing.T) {
	t.Parallel()
	st := &stage{Bench: &Bench{}}
	quiet, loud := &slice{others: 0.01}, &slice{others: 0.3}
	if st.noisy([]*slice{quiet, quiet, loud}) || !st.noisy([]*slice{quiet, loud, loud}) {
		t.Error("noise does not follow the majority of the slices")
	}
	if spread([]float64{1, 1, 1, 1}) != 0 || spread([]float64{0.2, 0.4, 1, 2, 4}) < tooWide {
		t.Error("the spread does not follow the distance of the ratios")
	}
}

// Every row names targets that exist, and every target serves a row.
func TestRowsNameTargets(t *testing.T) {
	t.Parallel()
	unused := map[string]bool{}
	for _, target := range targets() {
		unused[target.name] = true
	}
	used := map[string]bool{}
	for _, r := range ratioRows() {
		for _, name := range []string{r.target, r.baseline} {
			if !unused[name] {
				t.Errorf("row %s: there is no target %q", r.key, name)
			}
			used[name] = true
		}
	}
	for name := range unused {
		if !used[name] {
			t.Errorf("target %s serves no row", name)
		}
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r := &Report{Users: 10, Rounds: 2, Database: "sqlite", Cores: 2, Fsyncs: 1000, FsyncSpread: 1.5, Results: []Result{
		{Operation: "read", Rate: 1234.5, P50: 900, P99: 12_340, CPU: 45, Baseline: "raw", BaselineRate: 2000, Value: 0.62, Demand: 0.85, Verdict: Missed},
		{Operation: "memory", Value: 41.5, Unit: "MiB", Demand: 60, AtMost: true, Verdict: Met},
		{Operation: "loud", Value: 0.9, Demand: 0.5, Verdict: TooNoisy},
	}}
	var b strings.Builder
	if err := r.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12.3ms", "≥ 0.85", "NOT MET", "41.5 MiB", "≤ 60.0", "too noisy", "1000 pages a second"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
	if got := len(r.Failed()); got != 1 {
		t.Errorf("%d rows failed, want 1", got)
	}
}
