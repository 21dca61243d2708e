package scim

import (
	"net/http"
	"strconv"
	"strings"
)

// etag is the weak entity tag of a version (RFC 7644 section 3.14), the same
// as meta.version.
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// matchesTag reports whether a list of entity tags (or "*") names the tag.
// The comparison is weak (RFC 9110 section 8.8.3.2): clients send back the
// weak tags that they got. Bare tags without quotes are taken too.
func matchesTag(list, tag string) bool {
	want := opaque(tag)
	for list != "" {
		list = strings.TrimLeft(list, " \t,")
		if strings.HasPrefix(list, "*") {
			return true
		}
		item, rest := nextTag(list)
		if item != "" && opaque(item) == want {
			return true
		}
		list = rest
	}
	return false
}

// nextTag cuts the first tag off a list. A comma within quotes is part of it.
func nextTag(list string) (tag, rest string) {
	if i := strings.IndexByte(list, '"'); i >= 0 && i <= len("W/") && !strings.Contains(list[:i], ",") {
		if j := strings.IndexByte(list[i+1:], '"'); j >= 0 {
			end := i + 1 + j + 1
			return list[:end], list[end:]
		}
	}
	tag, rest, _ = strings.Cut(list, ",")
	return strings.TrimSpace(tag), rest
}

// opaque is the part of a tag that is compared.
func opaque(tag string) string {
	tag = strings.TrimPrefix(strings.TrimPrefix(tag, "W/"), "w/")
	return strings.Trim(tag, `"`)
}

// checkPreconditions applies If-Match and If-None-Match to a change of an
// existing resource (RFC 9110 section 13.2.2): 412 when they do not hold.
func checkPreconditions(req Request, version int64) error {
	tag := etag(version)
	if req.IfMatch != "" && !matchesTag(req.IfMatch, tag) {
		return Errorf(http.StatusPreconditionFailed, "",
			"If-Match does not name the current version of the resource, which is %s; read it again.", tag)
	}
	if req.IfNoneMatch != "" && matchesTag(req.IfNoneMatch, tag) {
		return Errorf(http.StatusPreconditionFailed, "",
			"If-None-Match names the current version of the resource, %s.", tag)
	}
	return nil
}
