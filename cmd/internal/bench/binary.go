package bench

import (
	"context"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// plainBinary is the size in bytes, without symbols, of a program that says
// hello and links the dependencies of this one, on Linux with cgo: for where it
// cannot be built anew.
const plainBinary = 23_660_432

// binarySize measures the program, and the least one with its dependencies.
func (st *stage) binarySize(ctx context.Context) (err error) {
	if st.single.binary, err = strippedSize(st.Program); err != nil {
		return err
	}
	st.single.plain = plainBinary
	path, none := st.plainProgram(ctx)
	if none == nil {
		st.single.plain, err = strippedSize(path)
		return err
	}
	st.Say("no source here: the binary is compared with a recorded size")
	return nil
}

// strippedSize is the size of a program without symbols and debug information.
func strippedSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	size := info.Size()
	f, err := elf.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	for _, s := range f.Sections {
		if s.Type != elf.SHT_NOBITS && (strings.HasPrefix(s.Name, ".debug_") || s.Name == ".symtab" || s.Name == ".strtab") {
			size -= int64(s.FileSize) //nolint:gosec // a section of a file
		}
	}
	return size, nil
}

// modulePath is the module of this program.
const modulePath = "github.com/sallyport-id/sallyport"

// plainProgram builds the least program that links the same dependencies. It
// needs Go, and the source of this program in the working directory: the
// dependencies are what its packages import.
func (st *stage) plainProgram(ctx context.Context) (string, error) {
	const format = "{{if .Module}}{{if .Module.Main}}{{range .Imports}}{{println .}}{{end}}{{end}}{{end}}"
	list, err := exec.CommandContext(ctx, "go", "list", "-deps", "-f", format, modulePath+"/cmd/sallyport").Output()
	if err != nil {
		return "", fmt.Errorf("list dependencies: %w", err)
	}
	source, out := filepath.Join(st.folder, "plain.go"), filepath.Join(st.folder, "plain")
	if err := os.WriteFile(source, plainSource(strings.Fields(string(list))), 0o600); err != nil {
		return "", err
	}
	if err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", out, source).Run(); err != nil { //nolint:gosec // our own source
		return "", fmt.Errorf("build the least program: %w", err)
	}
	return out, nil
}

// plainSource is hello with imports that it makes no use of: those of the
// given packages that belong neither to Go nor to this program.
func plainSource(packages []string) []byte {
	var imports strings.Builder
	imports.WriteString("package main\n\nimport (\n")
	slices.Sort(packages)
	for _, p := range slices.Compact(packages) {
		host, _, _ := strings.Cut(p, "/")
		if strings.Contains(host, ".") && !strings.HasPrefix(p, modulePath) {
			imports.WriteString("\t_ \"" + p + "\"\n")
		}
	}
	return []byte(strings.Replace(string(helloSource), "package main\n\nimport (\n", imports.String(), 1))
}
