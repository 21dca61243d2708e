package web

import (
	"net/url"

	"github.com/sallyport-id/sallyport/authn/account"
)

// accountLink leads from the login page to a flow.
type accountLink struct{ Path, Text string }

// AccountLinks are the flows that the login page offers. They come back to its
// transaction.
func (v view) AccountLinks() []accountLink {
	if v.web.cfg.Recovery == nil {
		return nil
	}
	back := ""
	if v.Txn != "" {
		back = "?return=" + url.QueryEscape(v.Txn)
	}
	var out []accountLink
	for _, k := range []account.Kind{account.Password, account.UserName, account.SignUp} {
		if v.web.offered(k) {
			out = append(out, accountLink{Path: v.web.at(startPath(k)) + back, Text: "recover.link_" + string(k)})
		}
	}
	return out
}
