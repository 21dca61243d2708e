// Package state seals what an enrolment must remember between its POST and its
// PUT into a token that the client carries: who started it, for whom, which
// value, until when. Any node can open a token of any other, for the keys are
// rows that all nodes share; nothing about a token is kept in memory.
//
// A token is a JWE in compact form (RFC 7516) with direct encryption by
// AES-256-GCM. Its protected header has exactly the members alg, enc, kid and
// typ, and its second segment is empty. The encryption key is derived
// (HKDF-SHA-256, RFC 5869) from the state key that kid names, for one kind of
// token, so that a token of one kind never opens as another. The code that was
// sent is not in the token, only its MAC.
//
//	POST  Claims --Mint--> Token ------> client
//	PUT   Token <----------------------- client
//	      Token --Open--> Claims; the caller judges binding and expiry, then
//	      counts the attempt (package challenge), then CodeMatches
//
// One token has several textual forms (unused bits of base64url), so one-time
// use is keyed on the identifier inside, Claims.JTI, by package challenge.
//
// Keys go through three states: next opens only, current mints and opens,
// previous opens only. A key is next for [NextLead] before it mints, which is
// longer than any node goes without reading the keys again, and previous for
// [PreviousKept], which is longer than a token lives.
package state
