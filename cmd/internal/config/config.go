package config

import (
	"time"
)

// Config is every setting. Start from Default; the zero value of a field that
// Default leaves alone works.
type Config struct {
	// Data is the folder of the embedded database, the master key and other
	// local files. It is created when absent.
	Data string `koanf:"data"`
	// DatabaseURL selects PostgreSQL ("postgres://…"). Empty: SQLite in Data.
	DatabaseURL Secret `koanf:"database_url"`
	// Listen is the address to listen on, "host:port". Port 0 takes any free one.
	Listen string `koanf:"listen"`
	// Issuer is the public base URL of this server. Empty: derived from the
	// address listened on, which must then be a loopback one.
	Issuer string `koanf:"issuer"`
	// PublicURLs are further public base URLs under which clients reach this
	// server. The Host header may choose among them and the issuer, and
	// nothing else (meta.location, RFC 7643 section 3.1).
	PublicURLs []string `koanf:"public_urls"`
	// TrustedProxies are the addresses or CIDR ranges of the reverse proxies
	// whose X-Forwarded-For and X-Forwarded-Proto count. Empty: nobody's.
	TrustedProxies []string `koanf:"trusted_proxies"`
	// MasterKey is the key ring: one or more lines of "kid:base64", the first
	// of which seals. Empty: MasterKeyCommand, else the file master.key in Data.
	MasterKey Secret `koanf:"master_key"`
	// MasterKeyCommand is a program with arguments, run without a shell, whose
	// standard output is the key ring.
	MasterKeyCommand []string `koanf:"master_key_command" sep:" "`
	// ShutdownTimeout bounds how long requests under way may take to finish
	// after a stop is asked for.
	ShutdownTimeout time.Duration `koanf:"shutdown_timeout"`

	TLS   TLS   `koanf:"tls"`
	Log   Log   `koanf:"log"`
	Audit Audit `koanf:"audit"`
	SCIM  SCIM  `koanf:"scim"`

	Delivery Delivery `koanf:"delivery"`

	SecondFactors SecondFactors `koanf:"second_factors"`
	SelfService   SelfService   `koanf:"self_service"`
	// AdminSetsPasswords lets administrators choose the password of another
	// user; otherwise one is generated.
	AdminSetsPasswords bool `koanf:"admin_sets_passwords"`

	// Password says which passwords nobody may choose, beside those that nobody
	// ever may.
	Password Password `koanf:"password"`
	Recovery Recovery `koanf:"recovery"`
	SignUp   SignUp   `koanf:"sign_up"`

	Policy  Policy  `koanf:"policy"`
	Session Session `koanf:"session"`
	// RememberDevice is about browsers that spare their users a second factor.
	RememberDevice RememberDevice `koanf:"remember_device"`
	Tokens         Tokens         `koanf:"tokens"`
	Passkeys       Passkeys       `koanf:"passkeys"`

	// Authenticators are factors that services of others judge, by the name of the
	// factor.
	Authenticators map[string]Authenticator `koanf:"authenticators"`
	// Chains are lists of authenticators by name, asked in their order.
	Chains map[string][]Link `koanf:"chains"`
	// IdentityProviders are elsewhere; people log in there.
	IdentityProviders []IdentityProvider `koanf:"identity_providers"`
	// ACRs are the authentication context classes that there are.
	ACRs []ACR `koanf:"acrs"`
	// DefaultACRs are those of a login for which nobody names any, the best
	// first.
	DefaultACRs []string `koanf:"default_acrs"`
	// RequiredACR must be met by every login, ConsoleRequiredACR by those of the
	// admin console; empty: none.
	RequiredACR        string `koanf:"required_acr"`
	ConsoleRequiredACR string `koanf:"console_required_acr"`
	// UserFloor makes the first of DefaultACRs that a user can reach a floor, so
	// that no request switches off a second factor that the user has.
	UserFloor bool `koanf:"user_floor"`
	// ACRUnmet is fail or downgrade, ACRUnmetError interaction_required or
	// unmet_authentication_requirements: what a client gets when its user cannot
	// reach what was asked for.
	ACRUnmet      string `koanf:"acr_unmet"`
	ACRUnmetError string `koanf:"acr_unmet_error"`
	// PermittedACRsMode is intersect or fallback: what the ACRs that a client is
	// permitted do to those of a request.
	PermittedACRsMode string          `koanf:"permitted_acrs_mode"`
	InlineEnrolment   InlineEnrolment `koanf:"inline_enrolment"`

	// Services are resource servers by name, Scopes those of the provider itself.
	Services map[string]Service `koanf:"services"`
	Scopes   map[string]Scope   `koanf:"scopes"`
	// Claims names the attribute that a claim about users comes from, by claim;
	// empty: the claim is never given.
	Claims map[string]string `koanf:"claims"`

	// PKCE is optional, or required of every client; public clients always need
	// it (RFC 9700 section 2.1.1).
	PKCE         string       `koanf:"pkce"`
	Registration Registration `koanf:"registration"`
	Backchannel  Backchannel  `koanf:"backchannel"`
	Branding     Branding     `koanf:"branding"`
}

// Password adds to the rules of new passwords.
type Password struct {
	// BlocklistFile is a file of the SHA-1 hashes of breached passwords, in
	// ascending order, as lines of "HASH" or "HASH:COUNT". Empty: none.
	BlocklistFile string `koanf:"blocklist_file"`
	// MinLength and MaxLength are in characters; 0: those of policy.profile.
	MinLength int `koanf:"min_length"`
	MaxLength int `koanf:"max_length"`
	// History is how many earlier passwords of a user nobody may choose again.
	History int `koanf:"history"`
}

// TLS names the certificate files. They are read again when they change.
type TLS struct {
	Cert string `koanf:"cert"` // PEM, with the chain
	Key  string `koanf:"key"`  // PEM
}

// Log says what is logged to standard error, and how.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn, error
	Format string `koanf:"format"` // text, json
}

// Audit says how long audit events are kept.
type Audit struct {
	// Retention is the age at which events are removed; 0 keeps them forever.
	// At least 30 days, the time in which a deleted user can be restored.
	Retention time.Duration `koanf:"retention"`
}

// SCIM holds the settings of the directory.
type SCIM struct {
	// Schemas and ResourceTypes are folders of JSON files in the form of RFC
	// 7643 sections 7 and 6.
	Schemas       string `koanf:"schemas"`
	ResourceTypes string `koanf:"resource_types"`
	// DefaultProfile is the client profile of discovery without a token and
	// of new tokens: rfc, compat, strict or ping.
	DefaultProfile string `koanf:"default_profile"`
	// Indexed names further attributes to index, such as "User:title".
	Indexed []string `koanf:"indexed"`
	// UniqueGroupNames refuses two groups with one displayName.
	UniqueGroupNames bool `koanf:"unique_group_names"`
	// AcceptUnknownMembers stores member ids that name nobody.
	AcceptUnknownMembers bool `koanf:"accept_unknown_members"`
	// Rate and Burst bound the requests per second of one token on one node.
	Rate  int `koanf:"rate"`
	Burst int `koanf:"burst"`
	// QueryTimeout bounds one query in the database; past it the answer is
	// 400 tooMany (RFC 7644 section 3.4.2.1).
	QueryTimeout time.Duration `koanf:"query_timeout"`

	Limits Limits `koanf:"limits"`
	Brake  Brake  `koanf:"brake"`
}

// Limits bounds the size of requests and answers. Sizes are bytes.
type Limits struct {
	Body            int           `koanf:"body"`
	GroupBody       int           `koanf:"group_body"`
	BulkBody        int           `koanf:"bulk_body"`
	BulkOperations  int           `koanf:"bulk_operations"`
	Depth           int           `koanf:"depth"`
	FilterLength    int           `koanf:"filter_length"`
	Comparisons     int           `koanf:"comparisons"`
	Nesting         int           `koanf:"nesting"`
	DefaultCount    int           `koanf:"default_count"`
	MaxCount        int           `koanf:"max_count"`
	CursorTimeout   time.Duration `koanf:"cursor_timeout"`
	PatchOperations int           `koanf:"patch_operations"`
	MemberValues    int           `koanf:"member_values"`
	Names           int           `koanf:"names"`
	Elements        int           `koanf:"elements"`
}

// Brake bounds how many users one token may deactivate or delete: past
// Percent of the users within Window it is refused until an administrator
// confirms, once the directory has Minimum users.
type Brake struct {
	Percent int           `koanf:"percent"` // 100 switches it off
	Minimum int           `koanf:"minimum"`
	Window  time.Duration `koanf:"window"`
}

// Default returns the settings of a server that nobody configured.
func Default() Config {
	return defaultLogin(Config{
		Data:            "sallyport-data",
		Listen:          "127.0.0.1:8080",
		ShutdownTimeout: 30 * time.Second,
		Log:             Log{Level: "info", Format: "text"},
		SCIM: SCIM{
			DefaultProfile:   "compat",
			UniqueGroupNames: true,
			Rate:             2000,
			Burst:            4000,
			QueryTimeout:     5 * time.Second,
			Limits: Limits{
				Body:            1 << 20,
				GroupBody:       16 << 20,
				BulkBody:        4 << 20,
				BulkOperations:  1000,
				Depth:           32,
				FilterLength:    8192,
				Comparisons:     50,
				Nesting:         16,
				DefaultCount:    100,
				MaxCount:        500,
				CursorTimeout:   time.Hour,
				PatchOperations: 1000,
				MemberValues:    10000,
				Names:           100,
				Elements:        1000,
			},
			Brake: Brake{Percent: 20, Minimum: 500, Window: time.Hour},
		},
		Delivery:      defaultDelivery(),
		SecondFactors: defaultSecondFactors(),
		Recovery:      defaultRecovery(),
		SignUp:        defaultSignUp(),
		SelfService: SelfService{Writable: []string{
			"name", "displayName", "nickName", "preferredLanguage", "locale", "timezone",
		}},
	})
}
