// Package fakeidp is an OpenID Connect provider for tests, which can lie: about
// its issuer, with a foreign key, another algorithm, a wrong audience, nonce or
// time, and which can be slow. It logs everybody in as the person that it was
// told to, without a page, unless it was told to refuse.
package fakeidp
