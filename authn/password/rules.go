package password

// Lengths are the limits of a new password, in characters.
func (h *Hasher) Lengths() (least, most int) { return h.cfg.MinLength, h.cfg.MaxLength }

// Check reports what Hash would refuse a password for, without the work:
// *LengthError or *TextError, nil if it is acceptable.
func (h *Hasher) Check(p Password) error {
	_, err := p.prepare(h.cfg.MinLength, h.cfg.MaxLength)
	return err
}
