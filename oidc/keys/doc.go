// Package keys keeps the keys that sign tokens: rows that all nodes share, with
// the private part sealed. A key is next (published, does not sign), active,
// retired (published, does not sign) and then deleted; see [State]. The
// algorithm belongs to the key. It knows JOSE and no OAuth.
package keys
