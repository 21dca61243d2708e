package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// CreateClient registers a client and returns it with its secret, which is told
// this once; "" for a client without one. A missing id is made. ErrTaken: the
// id is in use; *Error: the registration has a fault.
func (p *Provider) CreateClient(ctx context.Context, by audit.Party, c Client) (Client, string, error) {
	if c.ID == "" {
		c.ID = uuid.NewString()
	}
	if err := p.checkClient(ctx, &c); err != nil {
		return Client{}, "", err
	}
	if err := p.ensureAlgorithms(ctx, c); err != nil {
		return Client{}, "", err
	}
	c.CreatedAt = p.now()
	c.UpdatedAt = c.CreatedAt
	var secret string
	c.Secrets = nil
	if c.AuthMethod == SecretBasic || c.AuthMethod == SecretPost {
		var hash []byte
		secret, hash = newSecret()
		c.Secrets = []ClientSecret{{Hash: hash, CreatedAt: c.CreatedAt}}
	}
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := p.cfg.Clients.InsertClient(ctx, c); err != nil {
			return err
		}
		return p.audit(ctx, clientEvent(audit.ClientCreated, by, c), map[string]any{"after": c})
	})
	if err != nil {
		return Client{}, "", fmt.Errorf("create client: %w", err)
	}
	return c, secret, nil
}

// UpdateClient changes a client; id, times and secrets stay as they are. The
// edit may run again. ErrNotFound, or *Error for a fault of the result.
func (p *Provider) UpdateClient(ctx context.Context, by audit.Party, id string, edit func(*Client) error) (Client, error) {
	var c Client
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		var before Client
		var err error
		c, err = p.cfg.Clients.UpdateClient(ctx, id, func(c *Client) error {
			before = *c
			if err := edit(c); err != nil {
				return err
			}
			c.ID, c.Secrets, c.CreatedAt, c.UpdatedAt = id, before.Secrets, before.CreatedAt, p.now()
			return p.checkClient(ctx, c)
		})
		if err != nil {
			return err
		}
		changed, err := changes(before, c)
		if err != nil {
			return err
		}
		return p.audit(ctx, clientEvent(audit.ClientChanged, by, c), changed)
	})
	if err != nil {
		return Client{}, fmt.Errorf("update client: %w", err)
	}
	return c, p.ensureAlgorithms(ctx, c)
}

// RotateSecret gives a client another secret, which is told this once; the
// former ones stay good for keep. *Error for a client that has no secret.
func (p *Provider) RotateSecret(ctx context.Context, by audit.Party, id string, keep time.Duration) (string, error) {
	secret, hash := newSecret()
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		now := p.now()
		c, err := p.cfg.Clients.UpdateClient(ctx, id, func(c *Client) error {
			if c.AuthMethod != SecretBasic && c.AuthMethod != SecretPost {
				return metadataFault("The client does not authenticate itself with a secret.")
			}
			c.Secrets = append(expiring(c.Secrets, now, now.Add(keep)), ClientSecret{Hash: hash, CreatedAt: now})
			c.UpdatedAt = now
			return nil
		})
		if err != nil {
			return err
		}
		return p.audit(ctx, clientEvent(audit.ClientChanged, by, c), map[string]any{"secret": "rotated"})
	})
	if err != nil {
		return "", fmt.Errorf("rotate secret: %w", err)
	}
	return secret, nil
}

// expiring leaves the secrets that are good at now until end at most.
func expiring(secrets []ClientSecret, now, end time.Time) []ClientSecret {
	var out []ClientSecret
	for _, s := range secrets {
		if s.ExpiresAt.IsZero() || s.ExpiresAt.After(end) {
			s.ExpiresAt = end
		}
		if s.ExpiresAt.After(now) {
			out = append(out, s)
		}
	}
	return out
}

// DeleteClient removes a client with its grants and consents, or ErrNotFound.
func (p *Provider) DeleteClient(ctx context.Context, by audit.Party, id string) error {
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		c, err := p.cfg.Clients.Client(ctx, id)
		if err != nil {
			return err
		}
		if err := p.cfg.Clients.DeleteClient(ctx, id); err != nil {
			return err
		}
		return p.audit(ctx, clientEvent(audit.ClientDeleted, by, c), map[string]any{"before": c})
	})
	if err != nil {
		return fmt.Errorf("delete client: %w", err)
	}
	return nil
}

// ensureAlgorithms makes the signing keys that a client needs, before anything
// is signed for it.
func (p *Provider) ensureAlgorithms(ctx context.Context, c Client) error {
	for _, alg := range []string{c.IDTokenAlg, c.UserInfoAlg} {
		if alg == "" {
			continue
		}
		if err := p.cfg.Keys.Ensure(ctx, alg); err != nil {
			return fmt.Errorf("make key for client: %w", err)
		}
	}
	return nil
}

func clientEvent(name audit.Name, by audit.Party, c Client) audit.Event {
	return audit.Event{Name: name, Actor: by, Target: audit.Party{Type: "client", ID: c.ID, Name: c.Name}}
}

// changes are the members that differ, before and after. Secrets are no
// members.
func changes(before, after Client) (map[string]any, error) {
	old, err := membersOf(before)
	if err != nil {
		return nil, err
	}
	now, err := membersOf(after)
	if err != nil {
		return nil, err
	}
	from, to := make(map[string]any), make(map[string]any)
	for name := range old {
		if !reflect.DeepEqual(old[name], now[name]) {
			from[name] = old[name]
		}
	}
	for name := range now {
		if !reflect.DeepEqual(old[name], now[name]) {
			to[name] = now[name]
		}
	}
	return map[string]any{"before": from, "after": to}, nil
}

func membersOf(c Client) (map[string]any, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode client: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("encode client: %w", err)
	}
	return out, nil
}

// CreateService registers a resource server and returns its introspection
// credential, which is told this once. ErrTaken: name, audience or a scope is
// in use; *Error: the registration has a fault.
func (p *Provider) CreateService(ctx context.Context, by audit.Party, s Service) (Service, string, error) {
	if err := p.checkService(s); err != nil {
		return Service{}, "", err
	}
	secret, hash := newSecret()
	s.SecretHash, s.CreatedAt = hash, p.now()
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := p.cfg.Services.InsertService(ctx, s); err != nil {
			return err
		}
		return p.audit(ctx, serviceEvent(audit.ServiceCreated, by, s), map[string]any{"after": s})
	})
	if err != nil {
		return Service{}, "", fmt.Errorf("create service: %w", err)
	}
	return s, secret, nil
}

// UpdateService changes a resource server; name, credential and time stay. The
// edit may run again. ErrNotFound, ErrTaken or *Error.
func (p *Provider) UpdateService(ctx context.Context, by audit.Party, name string, edit func(*Service) error) (Service, error) {
	var s Service
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		var err error
		s, err = p.cfg.Services.UpdateService(ctx, name, func(s *Service) error {
			before := *s
			if err := edit(s); err != nil {
				return err
			}
			s.Name, s.SecretHash, s.CreatedAt = name, before.SecretHash, before.CreatedAt
			return p.checkService(*s)
		})
		if err != nil {
			return err
		}
		return p.audit(ctx, serviceEvent(audit.ServiceChanged, by, s), map[string]any{"after": s})
	})
	if err != nil {
		return Service{}, fmt.Errorf("update service: %w", err)
	}
	return s, nil
}

// RotateServiceSecret gives a resource server another introspection credential
// in place of the former.
func (p *Provider) RotateServiceSecret(ctx context.Context, by audit.Party, name string) (string, error) {
	secret, hash := newSecret()
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		s, err := p.cfg.Services.UpdateService(ctx, name, func(s *Service) error {
			s.SecretHash = hash
			return nil
		})
		if err != nil {
			return err
		}
		return p.audit(ctx, serviceEvent(audit.ServiceChanged, by, s), map[string]any{"secret": "rotated"})
	})
	if err != nil {
		return "", fmt.Errorf("rotate secret: %w", err)
	}
	return secret, nil
}

// DeleteService removes a resource server with its scopes, or ErrNotFound.
func (p *Provider) DeleteService(ctx context.Context, by audit.Party, name string) error {
	err := p.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := p.cfg.Services.DeleteService(ctx, name); err != nil {
			return err
		}
		return p.audit(ctx, serviceEvent(audit.ServiceDeleted, by, Service{Name: name}), nil)
	})
	if err != nil {
		return fmt.Errorf("delete service: %w", err)
	}
	return nil
}

func serviceEvent(name audit.Name, by audit.Party, s Service) audit.Event {
	return audit.Event{Name: name, Actor: by, Target: audit.Party{Type: "service", ID: s.Name}}
}

// checkService reports the first fault of a resource server.
func (p *Provider) checkService(s Service) error {
	switch {
	case !isName(s.Name):
		return metadataFault("The name must have 1 to %d letters, digits, '-', '.', '_' or '~'.", maxIDBytes)
	case s.Audience == p.cfg.Issuer || s.Audience == p.cfg.Issuer+SCIMPath:
		return metadataFault("The audience is that of this server itself.")
	case s.Audience == "" || checkURIText(s.Audience) != nil:
		return metadataFault("The audience must be a URI or a name, without blanks and fragment.")
	case len(s.Scopes) > maxScopes:
		return metadataFault("There are more than %d scopes.", maxScopes)
	}
	for i, scope := range s.Scopes {
		own := slices.ContainsFunc(p.cfg.Scopes, func(o ServiceScope) bool { return o.Name == scope.Name })
		switch {
		case !isScope(scope.Name):
			return metadataFault("A scope has characters that no scope has (RFC 6749 section 3.3).")
		case own || builtIn(scope.Name):
			return metadataFault("The scope %s is one of this server itself.", scope.Name)
		case slices.ContainsFunc(s.Scopes[:i], func(o ServiceScope) bool { return o.Name == scope.Name }):
			return metadataFault("The scope %s is there twice.", scope.Name)
		}
		if _, known := p.acrs[scope.RequiredACR]; scope.RequiredACR != "" && !known {
			return metadataFault("There is no ACR %s.", scope.RequiredACR)
		}
	}
	return nil
}
