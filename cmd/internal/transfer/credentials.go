package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// credentialsURN is the member of an NDJSON row with what the user logs in with
// in another system. It is no schema of the directory.
//
//nolint:gosec // a name, not a credential
const credentialsURN = "urn:sallyport:params:scim:schemas:import:2.0:Credentials"

// credentialsPrefix begins the columns of a CSV file that are about credentials.
const credentialsPrefix = "credentials."

// Credentials are what a row brings along from another system for its user.
type Credentials struct {
	PasswordHash string // as the other system has stored it
	// TOTPSecret is the secret of an authenticator app in base32; Algorithm,
	// Digits and Period (seconds) are how its codes are made, zero for SHA1, 6
	// and 30.
	TOTPSecret    string
	TOTPAlgorithm string
	TOTPDigits    int
	TOTPPeriod    int
	// Validated are the attribute paths whose value in the row the other system
	// had validated.
	Validated []string
}

// CredentialSink takes credentials over.
type CredentialSink interface {
	// TakeOver stores the credentials of a user in the transaction of ctx, where
	// the user has none of the kind yet. Its errors are sentences for the file of
	// rejects, with no secret in them.
	TakeOver(ctx context.Context, caller scim.Caller, userID string, c Credentials) error
}

// errCredentials refuses a row whose credentials nobody asked to take over: left
// out in silence, its user would be believed to be able to log in.
var errCredentials = errors.New("the row has credentials: import it with --with-credentials and --confirm-owner, or leave them out")

// takeCredentials removes the credentials from the body of an NDJSON row.
func (it *item) takeCredentials() error {
	key, ok := find(it.body, credentialsURN)
	if !ok {
		return nil
	}
	o, ok := it.body[key].(schema.Object)
	if !ok && it.body[key] != nil {
		return fmt.Errorf("%s must be an object", credentialsURN)
	}
	delete(it.body, key)
	dropSchema(it.body, credentialsURN)
	for name, v := range o {
		if err := it.credential(name, v); err != nil {
			return err
		}
	}
	return nil
}

// dropSchema takes a URN out of "schemas".
func dropSchema(body schema.Object, urn string) {
	key, ok := find(body, "schemas")
	if !ok {
		return
	}
	if urns, ok := body[key].([]any); ok {
		body[key] = slices.DeleteFunc(slices.Clone(urns), func(one any) bool {
			s, _ := one.(string)
			return strings.EqualFold(s, urn)
		})
	}
}

// credential takes one member of the credentials, or one field of CSV.
func (it *item) credential(name string, v any) error {
	if v == nil || v == "" {
		return nil
	}
	if it.credentials == nil {
		it.credentials = &Credentials{}
	}
	c := it.credentials
	var err error
	switch strings.ToLower(name) {
	case "passwordhash":
		c.PasswordHash, err = textOf(v)
	case "totpsecret":
		c.TOTPSecret, err = textOf(v)
	case "totpalgorithm":
		c.TOTPAlgorithm, err = textOf(v)
	case "totpdigits":
		c.TOTPDigits, err = numberOf(v)
	case "totpperiod":
		c.TOTPPeriod, err = numberOf(v)
	case "validated":
		c.Validated, err = textsOf(v)
	default:
		return fmt.Errorf("credentials have no member %q", name)
	}
	if err != nil {
		return fmt.Errorf("credentials: %s %w", name, err)
	}
	return nil
}

func textOf(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("must be a string")
	}
	return strings.TrimSpace(s), nil
}

// numberOf reads a JSON number, or the text of a CSV field.
func numberOf(v any) (int, error) {
	n, ok := v.(json.Number)
	if s, isText := v.(string); isText {
		n, ok = json.Number(strings.TrimSpace(s)), true
	}
	i, err := n.Int64()
	if !ok || err != nil || i < 0 || i > 1<<20 {
		return 0, errors.New("must be a whole number")
	}
	return int(i), nil
}

// textsOf reads a JSON array of strings, or a CSV field.
func textsOf(v any) ([]string, error) {
	var out []string
	if s, ok := v.(string); ok {
		for part := range strings.SplitSeq(s, memberSeparator) {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, nil
	}
	values, ok := v.([]any)
	if !ok {
		return nil, errors.New("must be an array of attribute paths")
	}
	for _, one := range values {
		s, err := textOf(one)
		if err != nil {
			return nil, errors.New("must be an array of attribute paths")
		}
		out = append(out, s)
	}
	return out, nil
}

// withCredentials runs the change of a row together with what it brings along,
// in one transaction; change returns the id of the resource.
func (rn *run) withCredentials(ctx context.Context, it *item, change func(ctx context.Context) (id string, err error)) error {
	if it.credentials == nil {
		_, err := change(ctx)
		return err
	}
	return rn.Resources.InTx(ctx, func(ctx context.Context) error {
		id, err := change(ctx)
		if err != nil {
			return err
		}
		return rn.Sink.TakeOver(ctx, rn.caller, id, *it.credentials)
	})
}
