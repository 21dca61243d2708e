package scim

// protocol is the part of a Service that rules requests before an operation
// runs, and the documents that describe the service.
type protocol struct {
	rates     *rateLimiter
	brakes    *Brake
	discovery *discovery
}

// newProtocol builds it from a configuration whose limits have their defaults,
// so that what is published is what is enforced.
func newProtocol(cfg Config) (protocol, error) {
	rates, err := newRateLimiter(cfg.Limits.Rate, cfg.Limits.Burst)
	if err != nil {
		return protocol{}, err
	}
	return protocol{
		rates:     rates,
		brakes:    NewBrake(cfg.Brake, cfg.Removals, cfg.Resources, cfg.Registry, cfg.Now),
		discovery: newDiscovery(cfg.Registry, cfg.Limits),
	}, nil
}
