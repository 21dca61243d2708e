package server

import "github.com/sallyport-id/sallyport/oidc"

// Clients keeps the registered applications. To change one use Provider, which
// checks and records it.
func (d *Directory) Clients() oidc.ClientStore { return d.db }

// Services keeps the registered resource servers. To change one use Provider.
func (d *Directory) Services() oidc.ServiceStore { return d.db }
