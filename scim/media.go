package scim

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"
)

// MediaType is the media type of SCIM (RFC 7644 section 8.1). It has no
// charset parameter: JSON is UTF-8.
const MediaType = "application/scim+json"

// jsonType is the other type that RFC 7644 section 3.8 lets clients use.
const jsonType = "application/json"

// replyType chooses the media type of the answer by the Accept header (RFC
// 7644 section 3.8, RFC 9110 section 12.5.1): the type with the higher weight,
// the SCIM type when both weigh the same or the profile always sends it. A
// client that accepts neither gets 406. A nil profile is the default one.
func replyType(c echo.Context, p *Profile) (string, error) {
	lines := c.Request().Header.Values(echo.HeaderAccept)
	if len(lines) == 0 || len(lines) == 1 && (lines[0] == MediaType || lines[0] == "*/*") {
		return MediaType, nil
	}
	scim, plain, named := weigh(lines)
	switch {
	case !named:
		return MediaType, nil
	case scim == 0 && plain == 0:
		return "", NewError(http.StatusNotAcceptable, "",
			"This server answers with application/scim+json or application/json; send an Accept header that allows one of them.")
	case plain > scim && (p == nil || p.ReplyJSONByAccept):
		return jsonType, nil
	}
	return MediaType, nil
}

// weigh returns the weights that the Accept lines give to the two types, and
// whether the lines name any media range at all.
func weigh(lines []string) (scim, plain float64, named bool) {
	var scimRank, plainRank int
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, q, ok := mediaRange(item)
			if !ok {
				continue
			}
			named = true
			if r := rangeRank(name, MediaType); r > scimRank {
				scim, scimRank = q, r
			}
			if r := rangeRank(name, jsonType); r > plainRank {
				plain, plainRank = q, r
			}
		}
	}
	return scim, plain, named
}

// mediaRange splits one element of Accept into its range, lower case, and its
// weight. Parameters other than q say nothing about JSON and are ignored.
func mediaRange(item string) (name string, q float64, ok bool) {
	name, params, _ := strings.Cut(item, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return "", 0, false
	}
	q = 1
	for param := range strings.SplitSeq(params, ";") {
		key, value, found := strings.Cut(param, "=")
		if !found || !strings.EqualFold(strings.TrimSpace(key), "q") {
			continue
		}
		w, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(w >= 0 && w <= 1) {
			return "", 0, false
		}
		q = w
	}
	return name, q, true
}

// rangeRank says how exactly a media range matches a type: 0 not at all, 3 by
// name. The most exact range decides (RFC 9110 section 12.5.1).
func rangeRank(name, typ string) int {
	switch name {
	case typ:
		return 3
	case "application/*":
		return 2
	case "*/*", "*":
		return 1
	}
	return 0
}

// checkContentType refuses a body that is not JSON with 415. Any charset
// parameter is accepted, since some clients send one, and so is a missing
// header (RFC 7644 section 3.8, RFC 9110 section 15.5.16).
func checkContentType(h http.Header) error {
	for encoding := range strings.SplitSeq(h.Get(echo.HeaderContentEncoding), ",") {
		if e := strings.TrimSpace(encoding); e != "" && !strings.EqualFold(e, "identity") {
			return NewError(http.StatusUnsupportedMediaType, "",
				"This server takes no Content-Encoding; send the JSON as it is.")
		}
	}
	value := h.Get(echo.HeaderContentType)
	if value == "" || value == MediaType || value == jsonType {
		return nil
	}
	typ, _, err := mime.ParseMediaType(value)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		typ = ""
	}
	if slices.Contains([]string{MediaType, jsonType}, typ) {
		return nil
	}
	return NewError(http.StatusUnsupportedMediaType, "",
		"The Content-Type must be application/scim+json or application/json.")
}

// readBody reads the whole request body of at most limit bytes: 415 for
// another media type, 413 for more, 400 invalidSyntax when it breaks off.
func readBody(c echo.Context, limit int64) ([]byte, error) {
	r := c.Request()
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	if r.ContentLength > limit {
		dismiss(r, limit)
		return nil, tooLarge(limit)
	}
	data, err := readAll(io.LimitReader(r.Body, limit+1), r.ContentLength)
	if int64(len(data)) > limit {
		dismiss(r, limit)
		return nil, tooLarge(limit)
	}
	if err == nil {
		return data, nil
	}
	return nil, NewError(http.StatusBadRequest, TypeInvalidSyntax,
		"The request body broke off before its end; send it again.").Because(err)
}

// dismiss reads on in a body that is refused, up to twice the limit. The server
// closes the connection on what is left unread, and a client that is still
// sending then sees a broken connection instead of the 413. One that waits for
// "100 Continue" has sent nothing yet and must not be told to.
func dismiss(r *http.Request, limit int64) {
	if r.Header.Get("Expect") == "" {
		// What cannot be read any more needs no reading.
		_, _ = io.CopyN(io.Discard, r.Body, 2*limit)
	}
}

// firstRead is what is allocated on the word of a Content-Length, in bytes.
// Almost every body is shorter.
const firstRead = 64 << 10

// readAll reads r to its end: in one allocation when the length is known and
// small, else in as much memory as has arrived.
func readAll(r io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(r)
	}
	if length <= firstRead {
		data := make([]byte, length)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) < length {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

// trimSuffix removes the ".scim" that a client may put behind a path instead
// of an Accept header (RFC 7644 section 3.8), unless nothing else is left of
// the last segment.
func trimSuffix(path string) string {
	trimmed, ok := strings.CutSuffix(path, ".scim")
	if !ok || trimmed == "" || strings.HasSuffix(trimmed, "/") {
		return path
	}
	return trimmed
}
