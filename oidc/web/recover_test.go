package web_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/oidc/web"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// TestTextsOfRecovery: what the pages of recovery build keys of has its texts.
func TestTextsOfRecovery(t *testing.T) {
	t.Parallel()
	texts, err := web.Texts()
	if err != nil {
		t.Fatal(err)
	}
	keys := []string{"recover.refused_password_rules_length", "error.flow", "error.flow_title"}
	for _, k := range []account.Kind{account.Password, account.UserName, account.Verify, account.SignUp, account.Invite} {
		keys = append(keys, "recover."+string(k)+"_title", "recover.confirm_"+string(k), "recover.done_"+string(k), "recover.done_"+string(k)+"_title")
		if k != account.Invite {
			keys = append(keys, "recover."+string(k))
		}
	}
	for _, k := range []account.Kind{account.Password, account.UserName, account.SignUp} {
		keys = append(keys, "recover.link_"+string(k))
	}
	for _, r := range []account.Reason{
		account.BadAddress, account.BadValue, account.WrongCode, account.CodeExpired, account.SendLimited,
		account.PasswordRules, account.Reused, account.Exists, account.Busy,
	} {
		keys = append(keys, "recover.refused_"+string(r))
	}
	for _, field := range []string{"login", "code", "new_password"} {
		keys = append(keys, "recover.missing_"+field)
	}
	for _, ch := range []delivery.Channel{delivery.Email, delivery.SMS} {
		keys = append(keys, "recover.sent_"+string(ch))
	}
	for _, name := range []string{"givenName", "familyName", "displayName", "nickName", "preferredLanguage", "locale", "timezone"} {
		keys = append(keys, "recover.field_"+name)
	}
	for _, n := range []string{"0", "1", "2", "3", "4"} {
		keys = append(keys, "meter.score_"+n)
	}
	for _, key := range keys {
		if !texts.Has(key) {
			t.Errorf("there is no text %q", key)
		}
	}
}
