package transfer

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxLine bounds one line of input, in bytes: a group of about a million
// members.
const maxLine = 64 << 20

// errLongLine is why a line is rejected unread.
var errLongLine = fmt.Errorf("the line is longer than %d bytes", maxLine)

// rawRow is one row as it stands in the file.
type rawRow struct {
	line   int
	json   []byte   // NDJSON
	fields []string // CSV
	err    error    // the row cannot be read; the file goes on
}

// source yields rows until io.EOF. The first failure of the reader itself ends
// it; faults of a row are in the row.
type source interface {
	next() (rawRow, error)
}

// ndjsonSource reads one JSON document a line. Blank lines are skipped.
type ndjsonSource struct {
	r    *bufio.Reader
	line int
}

func newNDJSONSource(r io.Reader) *ndjsonSource {
	s := &ndjsonSource{r: bufio.NewReaderSize(r, 256<<10)}
	skipByteOrderMark(s.r)
	return s
}

func (s *ndjsonSource) next() (rawRow, error) {
	for {
		s.line++
		text, long, err := s.readLine()
		if err != nil {
			return rawRow{}, err
		}
		if long {
			return rawRow{line: s.line, err: errLongLine}, nil
		}
		if text = bytes.TrimSpace(text); len(text) > 0 {
			return rawRow{line: s.line, json: text}, nil
		}
	}
}

// readLine returns the next line in memory of its own. A last line without a
// line break counts. An overlong line is skipped to its end and says so.
func (s *ndjsonSource) readLine() (line []byte, long bool, err error) {
	for {
		part, err := s.r.ReadSlice('\n')
		if !long {
			line = append(line, part...)
			long = len(line) > maxLine
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0, err == nil:
			return line, long, nil
		default:
			return nil, false, err
		}
	}
}

// csvSource reads comma-separated records (RFC 4180) behind a header.
type csvSource struct {
	r       *csv.Reader
	columns int
}

// newCSVSource reads the header and returns it.
func newCSVSource(r io.Reader) (*csvSource, []string, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	skipByteOrderMark(b)
	s := &csvSource{r: csv.NewReader(b)}
	s.r.FieldsPerRecord = -1
	header, err := s.r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, errors.New("the file is empty: its first line must name the attributes")
	}
	if errors.Is(err, csv.ErrBareQuote) {
		return nil, nil, errors.New(`the header has a name with quotes: write it as "emails[type eq ""work""].value", quotes around it and doubled in it`)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read CSV header: %w", err)
	}
	s.columns = len(header)
	return s, slices.Clone(header), nil
}

func (s *csvSource) next() (rawRow, error) {
	fields, err := s.r.Read()
	var fault *csv.ParseError
	switch {
	case errors.As(err, &fault):
		return rawRow{line: fault.StartLine, err: fmt.Errorf("not CSV: %w", fault.Err)}, nil
	case err != nil:
		return rawRow{}, err
	}
	line, _ := s.r.FieldPos(0)
	row := rawRow{line: line, fields: fields}
	if len(fields) != s.columns {
		row.err = fmt.Errorf("the row has %d fields, the header %d", len(fields), s.columns)
	}
	return row, nil
}

func skipByteOrderMark(r *bufio.Reader) {
	if head, err := r.Peek(3); err == nil && bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = r.Discard(3)
	}
}
