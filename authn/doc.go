// Package authn logs people in: it keeps the transactions of logins under way,
// runs the authenticators, and keeps the ledger of what each session has
// proved. What a proof is worth is decided by package acr, what a transaction
// asks for by whoever began it (package oidc), and what a page looks like by
// package oidc/web: nothing here knows HTML, cookies or OAuth.
//
//	Begin ---> Next ---> AskAccount | AskLogin | AskPassword change
//	            ^        AskFactor | AskCode          one page each
//	            |           |
//	            +-- Account, Password, Choose, Send, Code: do their part, and
//	                only Next says what follows
//	Next ---> Ready ---> Issue: decides once more, in the transaction that
//	          Failed           writes what the login was for
//
// Which step comes next is never taken from the browser. An attempt is counted
// and committed before anything is compared; a right answer appends one proof,
// a wrong or repeated one none.
package authn
