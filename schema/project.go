package schema

import "bytes"

// Project returns a complete response document (with meta, members and what
// else belongs to it) reduced to a projection: a scan over its tokens that
// copies or skips, without decoding. Attributes without a value left are left
// out, and so is the URN of an extension that nothing is left of (RFC 7643
// section 3.3). When nothing changes, the result is doc itself.
func (rt *ResourceType) Project(doc []byte, pr *Projection) []byte {
	if pr == nil {
		pr = rt.plain
	}
	if pr.untouched {
		return doc
	}
	s := scanner{src: doc, out: make([]byte, 0, len(doc)), pr: pr}
	if !s.resource() {
		// Only what this package wrote is projected, so this is a damaged
		// document, of which nothing may slip through.
		return []byte("{}")
	}
	if len(s.gone) > 0 {
		s.fixSchemas()
	}
	return s.out
}

// scanner copies parts of src to out.
type scanner struct {
	src []byte
	pos int
	out []byte
	pr  *Projection
	// from and to bound the value of "schemas" in out.
	from, to int
	// gone is the extensions of src that out lacks.
	gone []*container
}

// next skips blanks and returns the byte there, or 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.src) {
		if c := s.src[s.pos]; c > ' ' {
			return c
		}
		s.pos++
	}
	return 0
}

// open enters an object or array; done is set when it is empty.
func (s *scanner) open(c byte) (done, ok bool) {
	if s.next() != c {
		return false, false
	}
	s.pos++
	if s.next() == c+2 { // '{' and '}', '[' and ']' are two apart
		s.pos++
		return true, true
	}
	return false, true
}

// more passes a comma, or the closing byte when there is no more.
func (s *scanner) more(closing byte) (more, ok bool) {
	c := s.next()
	s.pos++
	return c == ',', c == ',' || c == closing
}

// key reads a key and its colon and returns the text between the quotes.
func (s *scanner) key() ([]byte, bool) {
	if s.next() != '"' {
		return nil, false
	}
	start := s.pos + 1
	if !s.skipString() {
		return nil, false
	}
	key := s.src[start : s.pos-1]
	if s.next() != ':' {
		return nil, false
	}
	s.pos++
	s.next()
	return key, true
}

// skip passes one value.
func (s *scanner) skip() bool {
	depth := 0
	for s.pos < len(s.src) {
		switch s.src[s.pos] {
		case '"':
			if !s.skipString() {
				return false
			}
			if depth == 0 {
				return true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return true
			}
			if depth--; depth == 0 {
				s.pos++
				return true
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return true
			}
		}
		s.pos++
	}
	return depth == 0
}

// skipString passes a string; the position is at its opening quote.
func (s *scanner) skipString() bool {
	at := s.pos + 1
	for {
		n := bytes.IndexByte(s.src[at:], '"')
		if n < 0 {
			s.pos = len(s.src)
			return false
		}
		end := at + n
		back := end - 1
		for back > s.pos && s.src[back] == '\\' {
			back--
		}
		if (end-back)%2 == 1 {
			s.pos = end + 1
			return true
		}
		at = end + 1
	}
}

// name appends `"key":`, with a comma unless it is the first of its object.
func (s *scanner) name(key []byte) {
	if s.out[len(s.out)-1] != '{' {
		s.out = append(s.out, ',')
	}
	s.out = append(s.out, '"')
	s.out = append(s.out, key...)
	s.out = append(s.out, '"', ':')
}

// copyMember copies a member whose value begins here as it is.
func (s *scanner) copyMember(key []byte) bool {
	start := s.pos
	if !s.skip() {
		return false
	}
	s.name(key)
	s.out = append(s.out, s.src[start:s.pos]...)
	return true
}

// resource scans the whole document.
func (s *scanner) resource() bool {
	return s.members(s.topMember) && s.next() == 0
}

// members scans one object with a function that takes the value of each key.
func (s *scanner) members(take func(key []byte) bool) bool {
	done, ok := s.open('{')
	if !ok {
		return false
	}
	s.out = append(s.out, '{')
	for more := !done; more; {
		key, ok := s.key()
		if !ok || !take(key) {
			return false
		}
		if more, ok = s.more('}'); !ok {
			return false
		}
	}
	s.out = append(s.out, '}')
	return true
}

func (s *scanner) topMember(key []byte) bool {
	if f := s.pr.rt.top[string(key)]; f != nil {
		if f.index == 0 { // schemas
			ok := s.copyMember(key)
			s.to = len(s.out)
			s.from = bytes.LastIndexByte(s.out, '[')
			return ok
		}
		return s.field(f, key)
	}
	c := s.pr.rt.containers[string(key)]
	if c == nil {
		if s.pr.mode == modeAttributes {
			return s.skip()
		}
		return s.copyMember(key)
	}
	return s.extension(c, key)
}

func (s *scanner) extension(c *container, key []byte) bool {
	if !s.pr.wantsContainer(c) {
		s.gone = append(s.gone, c)
		return s.skip()
	}
	before := len(s.out)
	s.name(key)
	ok := s.members(func(key []byte) bool {
		if f := c.names[string(key)]; f != nil {
			return s.field(f, key)
		}
		return s.skip()
	})
	if s.dropEmpty(before) {
		s.gone = append(s.gone, c)
	}
	return ok
}

// dropEmpty undoes a member that came out as an empty object or array.
func (s *scanner) dropEmpty(before int) bool {
	n := len(s.out)
	if c := s.out[n-1]; n < 2 || c != '}' && c != ']' || s.out[n-2] != c-2 {
		return false
	}
	s.out = s.out[:before]
	return true
}

func (s *scanner) field(f *field, key []byte) bool {
	switch s.pr.keep[f.index] {
	case drop:
		return s.skip()
	case whole:
		return s.copyMember(key)
	case partial:
	}
	before := len(s.out)
	s.name(key)
	ok := s.reduce(f)
	s.dropEmpty(before)
	return ok
}

// reduce copies the value of a partial attribute, element by element.
func (s *scanner) reduce(f *field) bool {
	if s.next() == '{' {
		return s.element(f)
	}
	done, ok := s.open('[')
	if !ok {
		return false
	}
	s.out = append(s.out, '[')
	for more := !done; more; {
		before := len(s.out)
		if s.out[before-1] != '[' {
			s.out = append(s.out, ',')
		}
		if !s.element(f) {
			return false
		}
		s.dropEmpty(before)
		if more, ok = s.more(']'); !ok {
			return false
		}
	}
	s.out = append(s.out, ']')
	return true
}

func (s *scanner) element(f *field) bool {
	mask := s.pr.subs[f.index]
	return s.members(func(key []byte) bool {
		if sub := f.attr.sub[string(key)]; sub != nil && mask[sub.slot] {
			return s.copyMember(key)
		}
		return s.skip()
	})
}

// fixSchemas takes the URNs of absent extensions out of "schemas".
func (s *scanner) fixSchemas() {
	if s.from < 0 || s.to == 0 {
		return
	}
	list := s.out[s.from:s.to]
	kept := make([]byte, 0, len(list))
	for urn := range bytes.SplitSeq(bytes.Trim(list, "[]"), []byte{','}) {
		if s.isGone(bytes.TrimSpace(urn)) {
			continue
		}
		if len(kept) > 0 {
			kept = append(kept, ',')
		}
		kept = append(kept, urn...)
	}
	n := copy(list[1:], kept)
	list[1+n] = ']'
	s.out = append(s.out[:s.from+n+2], s.out[s.to:]...)
}

// isGone reports whether a quoted URN names an extension that was dropped.
func (s *scanner) isGone(quoted []byte) bool {
	for _, c := range s.gone {
		if len(quoted) == len(c.urn)+2 && string(quoted[1:len(quoted)-1]) == c.urn {
			return true
		}
	}
	return false
}
