package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary builds the program once for all tests that need real processes.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "sallyport-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "sallyport")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

// process is one `sallyport serve`.
type process struct {
	path, base string
	env        []string
	cmd        *exec.Cmd
	log        *bytes.Buffer
}

// newProcess prepares a server on a free port; start starts it.
func newProcess(t *testing.T, env ...string) *process {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	p := &process{
		path: path, base: "http://" + address, log: &bytes.Buffer{},
		env: append([]string{"SALLYPORT_LISTEN=" + address, "SALLYPORT_ISSUER=http://" + address, "SALLYPORT_LOG_LEVEL=warn", "PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...),
	}
	t.Cleanup(p.kill)
	return p
}

// start runs the server and waits until it is ready.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.log.Reset()
	p.cmd = exec.Command(p.path, "serve")
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if status, _, _ := p.send(ctx, http.MethodGet, "/readyz", "", "", nil); status == http.StatusOK {
			return
		}
		select {
		case <-ctx.Done():
			p.kill()
			t.Fatalf("server is not ready after 30 s; it said:\n%s", p.log)
		case <-tick.C:
		}
	}
}

// kill ends the process at once, as a power cut would, and waits for it.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// command runs another command of the program on the same data.
func (p *process) command(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Env = p.env
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("sallyport %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// send makes one request; status 0 means that no answer came.
func (p *process) send(ctx context.Context, method, path, token, body string, header http.Header) (int, http.Header, []byte) {
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, nil
	}
	maps.Copy(req.Header, header)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, nil
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, nil, nil
	}
	return res.StatusCode, res.Header, answer
}
