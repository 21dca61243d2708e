package password

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// sortedLines is a text whose lines are in ascending order of their keys. It is
// searched where it lies, so that neither a list of gigabytes nor one in the
// program costs memory.
type sortedLines struct {
	text io.ReaderAt
	size int64
	// longest bounds a line with its end, in bytes.
	longest int
	// key is what a line is ordered by; an error refuses the line.
	key func(line []byte) ([]byte, error)
}

// contains reports whether there is a line with this key. The time grows with
// the logarithm of the size; an error means that nothing is known.
func (s sortedLines) contains(key []byte) (bool, error) {
	low, high := int64(0), s.size
	for low < high {
		start, line, err := s.lineAt(low + (high-low)/2)
		if err != nil {
			return false, err
		}
		found, err := s.key(bytes.TrimRight(line, "\r\n"))
		if err != nil {
			return false, fmt.Errorf("at byte %d: %w", start, err)
		}
		switch order := bytes.Compare(found, key); {
		case order == 0:
			return true, nil
		case order < 0:
			low = start + int64(len(line))
		default:
			high = start
		}
	}
	return false, nil
}

// lineAt returns the line that the byte at offset belongs to, with its end, and
// where it starts. offset must be within the text.
func (s sortedLines) lineAt(offset int64) (int64, []byte, error) {
	from := max(offset-int64(s.longest), 0)
	window := make([]byte, min(2*int64(s.longest), s.size-from))
	if n, err := s.text.ReadAt(window, from); n < len(window) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // it has become shorter
		}
		return 0, nil, fmt.Errorf("read at byte %d: %w", from, err)
	}
	at := int(offset - from)
	start := bytes.LastIndexByte(window[:at], '\n') + 1
	if start == 0 && from > 0 {
		return 0, nil, fmt.Errorf("at byte %d: the line is longer than %d bytes", from, s.longest)
	}
	end := len(window)
	if n := bytes.IndexByte(window[at:], '\n'); n >= 0 {
		end = at + n + 1
	} else if from+int64(end) < s.size {
		return 0, nil, fmt.Errorf("at byte %d: the line is longer than %d bytes", from+int64(start), s.longest)
	}
	return from + int64(start), window[start:end], nil
}
