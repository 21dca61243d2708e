package flow

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// Bounds of messages.
const (
	deepestMessage = 16
	mostScopes     = 200
	longestName    = 512 // of a user, in bytes
)

// message is what an application sends back: the members that it may change.
// Everything else in it is as this server said and is not read.
type message struct {
	// answers are the authenticators that are answered, in the order of their URNs.
	answers []given
	// named are the URNs of all members.
	named []string
	// Restart gives up who logs in; Skip an optional step, or what was to be
	// unlocked; Remember says whether the browser is to be remembered.
	restart, skip bool
	remember      *bool
	// Of the consent flow.
	approved *bool
	scopes   []string
	unlock   string
	// newPassword is of the recovery of a password.
	newPassword string
}

// given is the answer to one authenticator.
type given struct {
	urn                             string
	username, password, newPassword string
	code                            string // also an answer, and a second password
	send, poll                      bool   // a code is asked for; or: has it happened?
	destination                     string
	provider, account               string
	options                         bool
	credential                      json.RawMessage
	attributes                      map[string]string
}

// parse reads a message of a flow with the schema.
func parse(data []byte, urn string) (message, error) {
	doc, err := schema.Decode(data, schema.Limits{Depth: deepestMessage})
	if err != nil {
		return message{}, err
	}
	if err := checkSchemas(doc, urn); err != nil {
		return message{}, err
	}
	f := fields{doc: doc}
	m := message{
		restart: f.yes("restart"), skip: f.yes("skip"), remember: f.choice("remember"), approved: f.choice("approved"),
		scopes: f.list("optionalScopes", mostScopes), unlock: f.text("unlockACR"), newPassword: f.text("newPassword"),
	}
	for name, value := range doc {
		if !strings.HasPrefix(name, "urn:") {
			continue
		}
		o, ok := value.(schema.Object)
		if !ok {
			return message{}, invalid("The member %s must be an object.", shown(name))
		}
		m.named = append(m.named, name)
		in := fields{doc: o, at: shown(name) + ": "}
		if g, used := in.answer(name); used {
			m.answers = append(m.answers, g)
		}
		if in.err != nil {
			return message{}, in.err
		}
	}
	slices.Sort(m.named)
	slices.SortFunc(m.answers, func(a, b given) int { return strings.Compare(a.urn, b.urn) })
	return m, f.err
}

// checkSchemas wants the schema of the flow, when any is named.
func checkSchemas(doc schema.Object, urn string) error {
	value, said := doc["schemas"]
	if !said {
		return nil
	}
	list, ok := value.([]any)
	if !ok || !slices.Contains(list, any(urn)) {
		return invalid("schemas must name %s: send the whole message back that was read here.", urn)
	}
	return nil
}

// answer reads what is said to an authenticator; false for nothing.
func (f *fields) answer(urn string) (given, bool) {
	g := given{urn: urn}
	switch urn {
	case PasswordURN:
		g.username, g.password, g.newPassword = f.text("username"), f.text("password"), f.text("newPassword")
		return g, g.password != "" || g.newPassword != ""
	case TOTPURN, SecondPasswordURN:
		g.code, g.destination = f.text("password"), f.text("destination")
		return g, g.code != ""
	case RecoveryCodeURN:
		g.code = f.text("code")
		return g, g.code != ""
	case EmailCodeURN, TelephonyCodeURN:
		g.code, g.send, g.destination = f.text("verifyCode"), f.yes("codeRequested"), f.text("destination")
		return g, g.code != "" || g.send
	case AccountLookupURN:
		g.username = f.lookup()
		return g, g.username != ""
	case ExternalIdentityURN:
		g.provider = f.provider()
		return g, g.provider != ""
	case AccountSelectionURN:
		g.account = f.text("accountId")
		return g, g.account != ""
	case PasskeyURN:
		g.options, g.credential = f.yes("optionsRequested"), f.object("credential")
		return g, g.options || g.credential != nil
	case RegistrationURN:
		g.attributes = f.texts("attributes")
		return g, g.attributes != nil
	}
	g.code, g.send, g.poll, g.destination = f.text("answer"), f.yes("startRequested"), f.yes("pollRequested"), f.text("destination")
	return g, g.code != "" || g.send || g.poll
}

// lookup reads the name of an account lookup. The server lists the parameters
// that it takes; the application answers with an object of them. A list that
// comes back as it was says nothing.
func (f *fields) lookup() string {
	if _, listed := f.doc["lookupParameters"].([]any); listed {
		return ""
	}
	values := f.texts("lookupParameters")
	for name := range values {
		if name != "username" {
			f.bad("lookupParameters", "has a parameter that is not username")
		}
	}
	if len(values["username"]) > longestName {
		f.bad("lookupParameters", "has too long a username")
	}
	return values["username"]
}

// provider reads the provider to log in at: its name, or the object that the
// server has listed.
func (f *fields) provider() string {
	if o, ok := f.doc["provider"].(schema.Object); ok {
		inner := fields{doc: o, at: f.at + "provider."}
		name := inner.text("name")
		if f.err == nil {
			f.err = inner.err
		}
		return name
	}
	return f.text("provider")
}

// fields reads members and remembers the first that has the wrong type.
type fields struct {
	doc schema.Object
	at  string
	err error
}

func (f *fields) bad(name, what string) {
	if f.err == nil {
		f.err = invalid("%s%s %s.", f.at, name, what)
	}
}

func (f *fields) text(name string) string {
	switch v := f.doc[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		f.bad(name, "must be a string")
		return ""
	}
}

func (f *fields) choice(name string) *bool {
	switch v := f.doc[name].(type) {
	case nil:
		return nil
	case bool:
		return &v
	default:
		f.bad(name, "must be true or false")
		return nil
	}
}

func (f *fields) yes(name string) bool {
	v := f.choice(name)
	return v != nil && *v
}

func (f *fields) list(name string, most int) []string {
	switch v := f.doc[name].(type) {
	case nil:
		return nil
	case []any:
		out := make([]string, 0, len(v))
		for _, one := range v {
			text, ok := one.(string)
			if !ok || len(v) > most {
				f.bad(name, fmt.Sprintf("must be a list of at most %d strings", most))
				return nil
			}
			out = append(out, text)
		}
		return out
	default:
		f.bad(name, "must be a list of strings")
		return nil
	}
}

// texts reads an object of strings; nil without one.
func (f *fields) texts(name string) map[string]string {
	switch v := f.doc[name].(type) {
	case nil:
		return nil
	case schema.Object:
		out := make(map[string]string, len(v))
		for key, value := range v {
			text, ok := value.(string)
			if !ok {
				f.bad(name, "must hold strings only")
				return nil
			}
			out[key] = text
		}
		return out
	default:
		f.bad(name, "must be an object")
		return nil
	}
}

// object reads a JSON object as it is; nil without one.
func (f *fields) object(name string) json.RawMessage {
	switch v := f.doc[name].(type) {
	case nil:
		return nil
	case schema.Object:
		doc, err := json.Marshal(v)
		if err != nil {
			f.bad(name, "cannot be read")
		}
		return doc
	default:
		f.bad(name, "must be an object")
		return nil
	}
}

// invalid refuses a message.
func invalid(format string, args ...any) error {
	return scim.Errorf(http.StatusBadRequest, scim.TypeInvalidValue, format, args...)
}

// shown is the name of a member as it may stand in an error.
func shown(name string) string {
	const most = 100
	return strings.ToValidUTF8(name[:min(len(name), most)], "")
}
