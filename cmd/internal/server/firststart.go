package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

// firstTokenName names the token of the first start. Names of live tokens are
// unique, so that of several nodes that start at once only one makes it.
const firstTokenName = "first-start"

// firstStart makes a provisioning token when there has never been one and
// shows it, once, with what to do next.
func (s *Server) firstStart(ctx context.Context, notice io.Writer) error {
	tokens, err := s.dir.TokenList.Tokens(ctx)
	if err != nil {
		return fmt.Errorf("look for tokens: %w", err)
	}
	base := s.issuer + scimPath
	if len(tokens) > 0 {
		_, err = fmt.Fprintf(notice, "Sallyport is at %s\nOpenID Connect is at %s\n", base, s.issuer)
		return err
	}
	secret, _, err := s.dir.Tokens.Issue(ctx, scim.NewToken{
		Name: firstTokenName, Profile: s.cfg.SCIM.DefaultProfile, By: audit.Party{Type: "command", Name: "serve"},
	})
	if _, taken := errors.AsType[*scim.ConflictError](err); taken {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the first token: %w", err)
	}
	_, err = fmt.Fprintf(notice, `Sallyport is at %[1]s
OpenID Connect is at %[3]s

This is its first start. A provisioning token, shown only now:

  %[2]s

Try it:

  curl -H "Authorization: Bearer %[2]s" %[1]s/Users

Give the base URL %[1]s and a token to your provisioning
system. Further tokens: sallyport token create --name NAME

Give the issuer %[3]s to applications that people log in to.
Register them: sallyport client create --redirect-uri URL
`, base, secret.Reveal(), s.issuer)
	return err
}
