// Package challenge counts and consumes what a sealed state (package state)
// refers to: one row per code that was sent, or per secret or factor that waits
// for its proof. The row holds neither code nor address. The row is what makes
// a state good for one use and a few tries, on whichever node it comes back.
//
//	Start ------> live --CountAttempt (own commit)--> live --Consume--> used
//	                |  \--newer Start for user, kind and path--> superseded
//	                |--time, Void, VoidAll--> expired
//	                \--all tries counted----> exhausted
//
// An attempt is counted and committed before anything is compared, so that no
// failure afterwards gives the try back and parallel guesses count like serial
// ones. Consume stands in the transaction of what the success changes.
package challenge
