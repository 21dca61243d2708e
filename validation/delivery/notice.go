package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/locale"
)

// NoticeKind is what a notice tells; it picks a sentence of the catalog.
type NoticeKind string

// The kinds of notices.
const (
	NoticeEmailAdded      NoticeKind = "email_added"
	NoticeEmailReplaced   NoticeKind = "email_replaced"
	NoticeEmailRemoved    NoticeKind = "email_removed"
	NoticePhoneAdded      NoticeKind = "phone_added"
	NoticePhoneReplaced   NoticeKind = "phone_replaced"
	NoticePhoneRemoved    NoticeKind = "phone_removed"
	NoticeTOTPAdded       NoticeKind = "totp_added"
	NoticeTOTPReplaced    NoticeKind = "totp_replaced"
	NoticeTOTPRemoved     NoticeKind = "totp_removed"
	NoticePasskeyAdded    NoticeKind = "passkey_added"
	NoticePasskeyRemoved  NoticeKind = "passkey_removed"
	NoticeFactorOff       NoticeKind = "factor_off"        // one, for logins
	NoticeSecondFactorOff NoticeKind = "second_factor_off" // all
	NoticePasswordChanged NoticeKind = "password_changed"  // by the user
	NoticePasswordReset   NoticeKind = "password_reset"    // by somebody else
	// NoticePasswordRecovered: set by whoever read a message to the user.
	NoticePasswordRecovered NoticeKind = "password_recovered"
)

// The kinds of notices about second passwords and recovery codes.
const (
	NoticeSecondPasswordAdded    NoticeKind = "second_password_added"
	NoticeSecondPasswordReplaced NoticeKind = "second_password_replaced"
	NoticeSecondPasswordRemoved  NoticeKind = "second_password_removed"
	NoticeRecoveryCodesMade      NoticeKind = "recovery_codes_made"
	NoticeRecoveryCodesRemoved   NoticeKind = "recovery_codes_removed"
	// NoticeRecoveryCodeUsed: somebody logged in with one; NoticeRecoveryCodesFew:
	// and few are left.
	NoticeRecoveryCodeUsed NoticeKind = "recovery_code_used"
	NoticeRecoveryCodesFew NoticeKind = "recovery_codes_few"
	// NoticeFactorsReset: an administrator removed ways to confirm logins.
	NoticeFactorsReset NoticeKind = "factors_reset"
	// NoticeMovedIn: ways to log in were taken over from another system.
	NoticeMovedIn NoticeKind = "moved_in"
)

// The kinds of notices about accounts elsewhere.
const (
	NoticeIdentityLinked   NoticeKind = "identity_linked"
	NoticeIdentityUnlinked NoticeKind = "identity_unlinked"
)

// The kinds of notices about what may be somebody else's doing.
const (
	// NoticeNewBrowser: somebody logged in with a browser that had not been used
	// for the account before.
	NoticeNewBrowser NoticeKind = "new_browser"
	// NoticePasswordPaused: so many wrong passwords in a row that the password
	// counts in known browsers only, until it is set anew.
	NoticePasswordPaused NoticeKind = "password_paused"
	// NoticeFactorDisabled: so many wrong codes in a row that a second factor takes
	// no more.
	NoticeFactorDisabled NoticeKind = "factor_disabled"
)

// NoticeKinds lists all kinds.
func NoticeKinds() []NoticeKind {
	return []NoticeKind{
		NoticeEmailAdded, NoticeEmailReplaced, NoticeEmailRemoved, NoticePhoneAdded, NoticePhoneReplaced, NoticePhoneRemoved,
		NoticeTOTPAdded, NoticeTOTPReplaced, NoticeTOTPRemoved, NoticePasskeyAdded, NoticePasskeyRemoved, NoticeFactorOff, NoticeSecondFactorOff,
		NoticePasswordChanged, NoticePasswordReset,
		NoticePasswordRecovered,
		NoticeSecondPasswordAdded, NoticeSecondPasswordReplaced, NoticeSecondPasswordRemoved, NoticeRecoveryCodesMade,
		NoticeRecoveryCodesRemoved, NoticeRecoveryCodeUsed, NoticeRecoveryCodesFew, NoticeFactorsReset, NoticeMovedIn,
		NoticeIdentityLinked, NoticeIdentityUnlinked,
		NoticeNewBrowser, NoticePasswordPaused, NoticeFactorDisabled,
	}
}

// noticeShown is how long the development inbox shows a notice.
const noticeShown = time.Hour

// Notice tells a person what happened to the security of an account. It holds
// no code, no secret and no link: whoever is used to following links from such
// messages is easily deceived.
type Notice struct {
	To       string // a mailbox, as [ParseEmail] returned it
	Language string // as in [Message]
	Kind     NoticeKind
	At       time.Time // of the change
	IP       string    // of who made it; empty: a command on the server
	Own      bool      // made as the user, not by an administrator or application
}

// Notify mails a notice and waits for the answer of the gateway, 10 seconds at
// most. Its errors are those of [Sender].
func (p *Provider) Notify(ctx context.Context, n Notice) error {
	if p.Channel != Email {
		return fmt.Errorf("%w: provider %q sends no e-mail", ErrUnavailable, p.Name)
	}
	if err := p.Check(n.To); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	_, err := p.gateway.deliver(ctx, Message{Channel: Email, To: n.To, Validity: noticeShown}, p.owner.templates.notice(n))
	return err
}

// notice renders plain text from the catalog.
func (t *templates) notice(n Notice) content {
	c := content{language: locale.Choose(t.fallback, n.Language)}
	args := map[string]string{"service": t.service, "time": n.At.UTC().Format("2006-01-02 15:04"), "network": n.IP}
	text := func(key string) string { return t.catalog.Text(c.language, key, args) }
	author, network := "notice.by_other", "notice.network"
	if n.Own {
		author = "notice.by_user"
	}
	if by, ok := map[NoticeKind]string{
		NoticePasswordRecovered: "notice.by_message", NoticePasswordPaused: "notice.by_stranger", NoticeFactorDisabled: "notice.by_stranger",
	}[n.Kind]; ok {
		author = by
	}
	if n.IP == "" {
		network = "notice.command"
	}
	c.subject = text("notice.subject")
	c.text = text("notice."+string(n.Kind)) + "\n\n" + text("notice.time") + "\n" + text(network) + "\n" + text(author) +
		"\n\n" + text("notice.not_you") + "\n" + text("notice.no_reply") + "\n\n" + text("caller_line")
	return c
}
