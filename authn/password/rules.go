package password

// Lengths are the limits of a new password, in characters.
func (h *Hasher) Lengths() (least, most int) { return h.cfg.MinLength, h.cfg.MaxLength }

// Breached reports whether a password stands in the list of breached ones; false
// without a list. An error means that the list could not be read.
func (h *Hasher) Breached(p Password) (bool, error) {
	text, err := p.prepare(1, maxLengthEver)
	if err != nil || h.cfg.Breached == nil {
		return false, nil //nolint:nilerr // what can be no password is in no list of them
	}
	return h.cfg.Breached.contains(text)
}

// Check reports what Hash would refuse a password for, without the work:
// *LengthError, *TextError or *BlockedError; nil if it is acceptable. Any other
// error means that a list could not be read.
func (h *Hasher) Check(p Password, words []string) error {
	if _, err := p.prepare(h.cfg.MinLength, h.cfg.MaxLength); err != nil {
		return err
	}
	return h.blocked.Check(p, words)
}
