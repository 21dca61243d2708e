package acr

// Decide says whether a requirement is met, what to ask next, or that it cannot
// be met. The order of the ledger does not matter.
func Decide(r Requirement, ledger []Proof, has []Enrolment, c Context) Decision {
	return Fail{Reason: NotPermitted}
}
