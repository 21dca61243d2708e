package server

import (
	"context"
	"fmt"

	"github.com/sallyport-id/sallyport/oidc/flow"
	"github.com/sallyport-id/sallyport/storage/seal"
)

// newFlows makes the logins on pages of applications.
func (s *Server) newFlows(ctx context.Context) (*flow.Flows, error) {
	key, err := s.dir.db.ServerKey(ctx, seal.PurposeFlow)
	if err != nil {
		return nil, fmt.Errorf("read key of flows: %w", err)
	}
	cfg := flow.Config{
		Engine: s.dir.engine, Passkeys: s.dir.engine, Provider: s.dir.Provider, Issuer: s.issuer, Key: key, Logger: s.logger, Now: s.now,
	}
	if s.dir.accounts != nil {
		cfg.Accounts = s.dir.accounts
	}
	return flow.New(cfg)
}
