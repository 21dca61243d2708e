package schema

// Object is a JSON object as this package keeps it in memory: a resource or a
// complex value under canonical attribute names, an extension container under
// its canonical URN. Values are string, bool, json.Number (integer and decimal,
// digits as sent), Object (complex) and []any (multi-valued: of Object or of
// the simple types). There is no nil and no empty container: unassigned means
// absent (RFC 7643 section 2.5).
type Object map[string]any
