package authn

import "encoding/json"

// NewTxn says what a transaction is begun for.
type NewTxn struct {
	Purpose   string          // see Engine.Handle
	ClientID  string          // the application that asks
	Request   json.RawMessage // what the purpose must remember
	LoginHint string          // what the login page is filled with
	// Languages are those asked for, as in Accept-Language, best first; "": those
	// of the browser.
	Languages string
	// SelectAccount asks which account to use even where there is only one.
	SelectAccount bool
}
