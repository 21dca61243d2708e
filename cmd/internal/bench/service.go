package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// service is a process under test that serves on a socket.
type service struct {
	name  string
	site  site
	ready time.Duration // from its start to its first answer
	cmd   *exec.Cmd
	ended chan error
	log   *tail
}

func (s *service) pid() int { return s.cmd.Process.Pid }

// stopTimeout bounds an orderly end.
const stopTimeout = 30 * time.Second

// program is how a child process is run: a command line of this program with
// the settings of its data.
type program struct {
	args []string
	env  []string
}

func (b *Bench) command(ctx context.Context, p program) *exec.Cmd {
	// Not killed with ctx: a server is asked to stop, so that it writes its
	// profile and leaves its data whole.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), b.Program, p.args...) //nolint:gosec // this very program
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SALLYPORT_") && !strings.HasPrefix(v, "OTEL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, p.env...)
	// A group of its own: an interrupt at the terminal reaches bench alone,
	// which then ends its children in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// serve starts a service and waits for its first answer to path. The first
// line that it prints holds its URL.
func (b *Bench) serve(ctx context.Context, name string, p program, path string) (*service, error) {
	s := &service{name: name, cmd: b.command(ctx, p), ended: make(chan error, 1), log: &tail{}}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// A request is logged for every row; where the log goes is not ours to
	// measure, that it is written is.
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = null.Close() }()
	s.cmd.Stderr = null
	if b.Verbose {
		s.cmd.Stderr = s.log
	}
	began := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	go func() {
		_, _ = io.Copy(io.Discard, lines)
		s.ended <- s.cmd.Wait()
	}()
	if err == nil {
		s.site.address, err = addressIn(line)
	}
	if err == nil {
		_, err = s.site.fetch(ctx, path)
	}
	s.ready = time.Since(began)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), s.stop())
	}
	return s, nil
}

// addressIn finds the URL at the end of a line.
func addressIn(line string) (string, error) {
	i := strings.Index(line, "http://")
	if i < 0 {
		return "", fmt.Errorf("it printed %.100q instead of its address", line)
	}
	u, err := url.Parse(strings.TrimSpace(line[i:]))
	if err != nil {
		return "", err
	}
	return u.Host, nil
}

// stop ends the service in order.
func (s *service) stop() error {
	if s.cmd.Process == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case err := <-s.ended:
		s.ended <- nil
		// The least program does not catch the signal: it is ended by it.
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGTERM {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w%s", s.name, err, s.log.text())
		}
		return nil
	case <-limit.C:
		return errors.Join(fmt.Errorf("%s did not stop", s.name), s.cmd.Process.Kill())
	}
}

// job is a command that ran to its end.
type job struct {
	took time.Duration
	peak int64 // resident memory, bytes
	out  string
}

// do runs a command to its end. out takes its standard output; nil keeps it
// in the job.
func (b *Bench) do(ctx context.Context, p program, out *os.File) (job, error) {
	return b.finish(ctx, b.command(ctx, p), out)
}

func (b *Bench) finish(ctx context.Context, cmd *exec.Cmd, out *os.File) (job, error) {
	var kept strings.Builder
	faults := &tail{}
	cmd.Stdout, cmd.Stderr = &kept, faults
	if out != nil {
		cmd.Stdout = out
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return job{}, err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	err := cmd.Wait()
	stop()
	j := job{took: time.Since(began), out: kept.String()}
	if err != nil {
		return j, fmt.Errorf("%s: %w%s", strings.Join(cmd.Args[1:min(3, len(cmd.Args))], " "), err, faults.text())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		j.peak = usage.Maxrss << 10 // kilobytes on Linux
	}
	return j, nil
}

// tail keeps the end of what a process said.
type tail struct{ kept []byte }

// tailBytes is how much of it.
const tailBytes = 2000

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

func (t *tail) text() string {
	if len(t.kept) == 0 {
		return ""
	}
	return ": " + strings.TrimSpace(string(t.kept))
}
