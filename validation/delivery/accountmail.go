package delivery

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/locale"
)

// AccountMailKind is what a mail about an account is for; it picks the sentences
// of the catalog.
type AccountMailKind string

// The kinds of mails.
const (
	MailPassword    AccountMailKind = "password"     // a forgotten password
	MailUserName    AccountMailKind = "user_name"    // a forgotten user name
	MailVerify      AccountMailKind = "verify"       // an address to prove
	MailSignUp      AccountMailKind = "sign_up"      // a new account
	MailHaveAccount AccountMailKind = "have_account" // a new account where there is one
	MailInvite      AccountMailKind = "invite"       // a password to set
)

// AccountMailKinds lists all kinds.
func AccountMailKinds() []AccountMailKind {
	return []AccountMailKind{MailPassword, MailUserName, MailVerify, MailSignUp, MailHaveAccount, MailInvite}
}

// AccountMail is a mail that a person asked for in order to get into an account.
type AccountMail struct {
	ID       string
	Kind     AccountMailKind
	To       string // a mailbox, as [ParseEmail] returned it
	Language string // as in [Message]
	// Link and Code lead on, each by itself; "" for a kind that only tells.
	Link     string
	Code     Code
	Names    []string      // user names, of MailUserName
	Validity time.Duration // of link and code
	IP       string        // of who asked; empty: a command on the server
}

// HandAccount mails it and waits for the answer of the gateway, 10 seconds at
// most. Its errors are those of [Sender]. The caller then calls Record.
func (p *Provider) HandAccount(ctx context.Context, m AccountMail) (Receipt, error) {
	if p.Channel != Email {
		return Receipt{}, fmt.Errorf("%w: provider %q sends no e-mail", ErrUnavailable, p.Name)
	}
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Validity <= 0 {
		m.Validity = noticeShown
	}
	if err := p.Check(m.To); err != nil {
		return Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	r, err := p.gateway.deliver(ctx, Message{ID: m.ID, Channel: Email, To: m.To, Code: m.Code, Validity: m.Validity}, p.owner.templates.account(m))
	if err != nil {
		return Receipt{}, err
	}
	r.ID, r.Provider, r.Channel, r.At = m.ID, p.Name, p.Channel, p.owner.cfg.Now()
	return r, nil
}

// account renders plain text from the catalog: nothing a person typed stands in
// it, so that it cannot be made to carry somebody else's message.
func (t *templates) account(m AccountMail) content {
	c := content{language: locale.Choose(t.fallback, m.Language), code: m.Code}
	hours, minutes := int((m.Validity+time.Hour-1)/time.Hour), int((m.Validity+time.Minute-1)/time.Minute)
	args := map[string]string{
		"service": t.service, "network": m.IP, "code": m.Code.Reveal(),
		"minutes": strconv.Itoa(minutes), "hours": strconv.Itoa(hours),
	}
	text := func(key string) string { return t.catalog.Text(c.language, key, args) }
	c.subject = text("account." + string(m.Kind) + "_subject")
	parts := []string{text("account." + string(m.Kind))}
	if len(m.Names) > 0 {
		parts = append(parts, strings.Join(m.Names, "\n"))
	}
	if m.Link != "" {
		parts = append(parts, text("account.link"), m.Link)
	}
	if m.Code != "" {
		parts = append(parts, text("account.code"))
	}
	if m.Link != "" || m.Code != "" {
		validity := "account.validity_hours"
		if minutes <= 120 {
			validity = "account.validity_minutes"
		}
		parts = append(parts, text(validity)+"\n"+text("secret"))
	}
	unasked := "account.unasked"
	if m.Kind == MailInvite {
		unasked = "account.invited"
	}
	parts = append(parts, text(unasked))
	if m.IP != "" {
		parts = append(parts, text("notice.network"))
	}
	c.text = strings.Join(append(parts, text("caller_line")), "\n\n")
	return c
}
