package password

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the form in which lists of breached passwords are published; it protects nothing here
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	// longestHashLine bounds a line: 40 digits, a colon, a count, an end.
	longestHashLine = 64
	hashDigits      = 2 * sha1.Size
	// hashProbes is how many places of a file are looked at before it is used.
	hashProbes = 64
)

// HashFile is a list of breached passwords: lines of "HASH" or "HASH:COUNT" in
// ascending order, HASH the SHA-1 of a password as 40 upper-case hexadecimal
// digits. This is the form of the text files of "Have I Been Pwned", ordered by
// hash. It is searched on the disk and never read as a whole. Safe for
// concurrent use.
type HashFile struct {
	lines sortedLines
	file  io.Closer // nil: not ours
}

// OpenHashFile opens a file and looks at places of it; the error says where it
// is not as it must be. Close it.
func OpenHashFile(path string) (*HashFile, error) {
	file, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("open list of breached passwords: %w", err)
	}
	h, err := newHashFile(file)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("list of breached passwords %s: %w", path, err), file.Close())
	}
	h.file = file
	return h, nil
}

func newHashFile(file *os.File) (*HashFile, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	return NewHashFile(file, info.Size())
}

// NewHashFile is OpenHashFile for a text of that size in bytes.
func NewHashFile(text io.ReaderAt, size int64) (*HashFile, error) {
	h := &HashFile{lines: sortedLines{text: text, size: size, longest: longestHashLine, key: hashOf}}
	if size <= 0 {
		return nil, errors.New("it is empty")
	}
	if err := h.probe(); err != nil {
		return nil, err
	}
	return h, nil
}

// probe looks at the first line, the last and some between: each must have the
// form, and their hashes must ascend.
func (h *HashFile) probe() error {
	last, before := int64(-1), []byte(nil)
	step := max((h.lines.size-1)/hashProbes, 1)
	for at := int64(0); ; at = min(at+step, h.lines.size-1) {
		start, line, err := h.lines.lineAt(at)
		if err != nil {
			return err
		}
		if start != last {
			hash, err := hashOf(bytes.TrimRight(line, "\r\n"))
			if err != nil {
				return fmt.Errorf("at byte %d: %w", start, err)
			}
			if bytes.Compare(before, hash) >= 0 {
				return fmt.Errorf("at byte %d: the hashes are not in ascending order; sort the file by hash", start)
			}
			last, before = start, bytes.Clone(hash)
		}
		if at >= h.lines.size-1 {
			return nil
		}
	}
}

// hashOf is the hash of a line.
func hashOf(line []byte) ([]byte, error) {
	hash, count, counted := bytes.Cut(line, []byte(":"))
	ok := len(hash) == hashDigits && (!counted || len(count) > 0) && digitsOnly(count)
	for _, b := range hash {
		ok = ok && (b >= '0' && b <= '9' || b >= 'A' && b <= 'F')
	}
	if !ok {
		return nil, errors.New("the line is not HASH or HASH:COUNT with a SHA-1 in upper-case hexadecimal digits")
	}
	return hash, nil
}

func digitsOnly(text []byte) bool {
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return true
}

// contains reports whether the password is in the list, by the hash of its text
// in form NFC, the one it is kept under here. An error means that the file
// could not be read.
func (h *HashFile) contains(text []byte) (bool, error) {
	sum := sha1.Sum(text) //nolint:gosec // see above
	found, err := h.lines.contains([]byte(strings.ToUpper(hex.EncodeToString(sum[:]))))
	if err != nil {
		return false, fmt.Errorf("search list of breached passwords: %w", err)
	}
	return found, nil
}

// Close closes the file.
func (h *HashFile) Close() error {
	if h == nil || h.file == nil {
		return nil
	}
	return h.file.Close()
}
