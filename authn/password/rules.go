package password

// Lengths are the limits of a new password, in characters.
func (h *Hasher) Lengths() (least, most int) { return h.cfg.MinLength, h.cfg.MaxLength }

// Check reports what Hash would refuse a password for, without the work:
// *LengthError, *TextError or *BlockedError; nil if it is acceptable. Any other
// error means that a list could not be read.
func (h *Hasher) Check(p Password, words []string) error {
	if _, err := p.prepare(h.cfg.MinLength, h.cfg.MaxLength); err != nil {
		return err
	}
	return h.blocked.Check(p, words)
}
