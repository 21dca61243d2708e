package delivery

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/locale"
)

// The names of the shipped providers, as clients of the original send them in
// messagingProvider, and of the mail gateway.
const (
	TwilioSMS   = "Twilio SMS Provider"
	TwilioVoice = "Twilio Voice Provider"
	SMTPGateway = "SMTP"
)

// sendTimeout bounds one send in all: look-up, connection, hand-over.
const sendTimeout = 10 * time.Second

// Rules is how codes of a channel look and how long they live.
type Rules struct {
	Generator Generator
	Lifetime  time.Duration
}

// ProviderConfig is one provider: its name, its channel and either an SMTP
// gateway or a Twilio account.
type ProviderConfig struct {
	Name    string
	Channel Channel
	SMTP    *SMTPConfig
	Twilio  *TwilioConfig
}

// Config says what to send with and how. Channels without a provider go to the
// development inbox if there is one, else they are off.
type Config struct {
	// Service is the name that people see in messages; required.
	Service string
	// Language is that of messages whose Language suits no template.
	Language string
	// Templates overrides templates; see [Providers] and docs. nil: none.
	Templates fs.FS
	Providers []ProviderConfig
	// Defaults names the provider of a channel when several have it; the first
	// one else.
	Defaults map[Channel]string
	// DefaultPhone names the provider that a telephone request without
	// messagingProvider gets. Empty: the default of SMS, or of voice without SMS.
	DefaultPhone string
	// Rules of each channel; missing ones are those of [DefaultRules].
	Rules map[Channel]Rules
	// Countries may receive SMS and calls, as ISO 3166-1 alpha-2 codes. Empty:
	// the countries of the sending numbers; no number either: none.
	Countries []string
	// Inbox takes the messages of channels without a provider; nil: nothing
	// does. Only a server with a loopback issuer may set it.
	Inbox InboxStore
	// Status keeps the records of deliveries; nil keeps none.
	Status StatusStore
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is the system's clock
}

// DefaultRules are the rules of a channel that nobody configured: 8 digits for
// 10 minutes by e-mail, 6 digits for 5 minutes by telephone.
func DefaultRules(ch Channel) Rules {
	digits, life := 8, 10*time.Minute
	if ch.Telephone() {
		digits, life = 6, 5*time.Minute
	}
	g, err := Digits(digits)
	if err != nil {
		panic(err) // the numbers above are within bounds
	}
	return Rules{Generator: g, Lifetime: life}
}

// Provider is a configured way to send by one channel. It is safe for
// concurrent use.
type Provider struct {
	Name    string
	Channel Channel
	// Inbox says that the development inbox takes the messages.
	Inbox bool

	gateway gateway
	owner   *Providers
}

// gateway is the last step of a send: it gets the rendered message. Its errors
// wrap one of the sentinels of [Sender].
type gateway interface {
	deliver(ctx context.Context, m Message, c content) (Receipt, error)
	close() error
}

// Providers are all ways to send. Safe for concurrent use; Close it.
type Providers struct {
	cfg       Config
	list      []*Provider
	templates *templates
	countries allowList
	rules     map[Channel]Rules
}

// New checks the configuration, parses the templates and prepares the
// providers; nothing is connected to yet. Its error names every fault.
func New(cfg Config) (*Providers, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now //nolint:forbidigo // the one default of the clock
	}
	p := &Providers{cfg: cfg, rules: map[Channel]Rules{}}
	var faults []error
	if cfg.Service == "" {
		faults = append(faults, errors.New("the service has no name"))
	}
	var err error
	if p.templates, err = loadTemplates(cfg.Service, locale.Choose(cfg.Language), cfg.Templates); err != nil {
		faults = append(faults, err)
	}
	for _, ch := range Channels() {
		p.rules[ch] = DefaultRules(ch)
		if r, ok := cfg.Rules[ch]; ok {
			p.rules[ch] = r
		}
	}
	faults = append(faults, p.addProviders()...)
	faults = append(faults, p.allowCountries(), p.checkDefaults())
	if err := errors.Join(faults...); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Providers) addProviders() []error {
	var faults []error
	for _, c := range p.cfg.Providers {
		g, err := p.gatewayOf(c)
		if err != nil {
			faults = append(faults, fmt.Errorf("provider %q: %w", c.Name, err))
			continue
		}
		p.list = append(p.list, &Provider{Name: c.Name, Channel: c.Channel, gateway: g, owner: p})
	}
	if p.cfg.Inbox == nil {
		return faults
	}
	names := map[Channel]string{Email: SMTPGateway, SMS: TwilioSMS, Voice: TwilioVoice}
	for _, ch := range Channels() {
		if !slices.ContainsFunc(p.cfg.Providers, func(c ProviderConfig) bool { return c.Channel == ch }) {
			p.list = append(p.list, &Provider{
				Name: names[ch], Channel: ch, Inbox: true, owner: p,
				gateway: &inboxGateway{store: p.cfg.Inbox, name: names[ch], now: p.cfg.Now},
			})
		}
	}
	return faults
}

func (p *Providers) gatewayOf(c ProviderConfig) (gateway, error) {
	if c.Name == "" {
		return nil, errors.New("it has no name")
	}
	if _, err := p.Provider(c.Name); err == nil {
		return nil, errors.New("there are two of that name")
	}
	switch {
	case c.Channel == Email && c.SMTP != nil:
		return newSMTP(*c.SMTP, c.Name, p.cfg.Now)
	case c.Channel.Telephone() && c.Twilio != nil:
		return newTwilio(*c.Twilio, c, p.cfg)
	}
	return nil, fmt.Errorf("channel %q needs an SMTP gateway (email) or a Twilio account (sms, voice)", c.Channel)
}

// allowCountries takes the configured countries, else those of the numbers
// that send.
func (p *Providers) allowCountries() error {
	regions := slices.Clone(p.cfg.Countries)
	if len(regions) == 0 {
		for _, c := range p.cfg.Providers {
			if c.Twilio == nil {
				continue
			}
			if from, err := ParsePhone(c.Twilio.From); err == nil && from.Region != "" {
				regions = append(regions, from.Region)
			}
		}
	}
	var err error
	p.countries, err = newAllowList(regions)
	return err
}

func (p *Providers) checkDefaults() error {
	var faults []error
	for ch, name := range p.cfg.Defaults {
		if pr, err := p.Provider(name); name != "" && (err != nil || pr.Channel != ch) {
			faults = append(faults, fmt.Errorf("the default provider of %s, %q, is none of that channel", ch, name))
		}
	}
	if name := p.cfg.DefaultPhone; name != "" {
		if pr, err := p.Provider(name); err != nil || !pr.Channel.Telephone() {
			faults = append(faults, fmt.Errorf("the default telephone provider %q is no SMS or voice provider", name))
		}
	}
	return errors.Join(faults...)
}

// Close ends idle connections and waits for the goroutines of the providers.
func (p *Providers) Close() error {
	var errs []error
	for _, pr := range p.list {
		errs = append(errs, pr.gateway.close())
	}
	return errors.Join(errs...)
}

// List returns all providers, configured ones first, in their order.
func (p *Providers) List() []*Provider { return slices.Clone(p.list) }

// Provider returns the one of that name; [ErrUnknownProvider] if there is none.
func (p *Providers) Provider(name string) (*Provider, error) {
	for _, pr := range p.list {
		if pr.Name == name {
			return pr, nil
		}
	}
	return nil, ErrUnknownProvider
}

// Default returns the provider of a channel; [ErrNoProvider] if it is off.
func (p *Providers) Default(ch Channel) (*Provider, error) {
	if name := p.cfg.Defaults[ch]; name != "" {
		return p.Provider(name)
	}
	for _, pr := range p.list {
		if pr.Channel == ch {
			return pr, nil
		}
	}
	return nil, ErrNoProvider
}

// DefaultPhone returns the provider of a telephone request that names none;
// [ErrNoProvider] if telephones are off.
func (p *Providers) DefaultPhone() (*Provider, error) {
	if p.cfg.DefaultPhone != "" {
		return p.Provider(p.cfg.DefaultPhone)
	}
	if pr, err := p.Default(SMS); err == nil {
		return pr, nil
	}
	return p.Default(Voice)
}

// Rules returns how codes of a channel look.
func (p *Providers) Rules(ch Channel) Rules { return p.rules[ch] }

// Countries lists the countries that SMS and calls may go to, sorted.
func (p *Providers) Countries() []string { return p.countries.names() }

// HasInbox says whether some channel goes to the development inbox.
func (p *Providers) HasInbox() bool {
	return slices.ContainsFunc(p.list, func(pr *Provider) bool { return pr.Inbox })
}

// Check says whether codes may go to a normalised destination by this
// provider: nil or [ErrRefused]. It asks nobody. The inbox takes every
// country, but no number that nobody may be called at.
func (p *Provider) Check(to string) error {
	if p.Channel == Email {
		if _, err := ParseEmail(to); err != nil {
			return fmt.Errorf("%w: %w", ErrRefused, err)
		}
		return nil
	}
	phone, err := ParsePhone(to)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if !phone.receives(p.Channel) {
		return fmt.Errorf("%w: a number of kind %q cannot receive %s", ErrRefused, phone.Kind, p.Channel)
	}
	if !p.Inbox && !p.owner.countries.has(phone.Region) {
		return fmt.Errorf("%w: country %s is not among the allowed ones", ErrRefused, phone.Region)
	}
	return nil
}

// Send is Hand and Record. That a message which is out could not be written
// down is a matter for the log, not for the person who waits for the code. It
// implements [Sender].
func (p *Provider) Send(ctx context.Context, m Message) (Receipt, error) {
	r, err := p.Hand(ctx, m)
	if err != nil {
		return Receipt{}, err
	}
	if err := p.Record(context.WithoutCancel(ctx), m, r); err != nil {
		p.owner.cfg.Logger.WarnContext(ctx, "delivery not recorded", "provider", r.Provider, "message", r.ID, "error", err)
	}
	return r, nil
}

// Hand checks the destination, renders the message and hands it to the gateway,
// all within 10 seconds. The caller then calls Record.
func (p *Provider) Hand(ctx context.Context, m Message) (Receipt, error) {
	if m.Channel == "" {
		m.Channel = p.Channel
	}
	if m.Channel != p.Channel {
		return Receipt{}, fmt.Errorf("%w: provider %q sends %s, not %s", ErrUnavailable, p.Name, p.Channel, m.Channel)
	}
	if m.ID == "" {
		m.ID = rand.Text()
	}
	if m.Validity <= 0 {
		m.Validity = p.owner.rules[p.Channel].Lifetime
	}
	if err := p.Check(m.To); err != nil {
		return Receipt{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	c, err := p.owner.templates.render(m)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r, err := p.gateway.deliver(ctx, m, c)
	if err != nil {
		return Receipt{}, err
	}
	r.ID, r.Provider, r.Channel, r.At = m.ID, p.Name, p.Channel, p.owner.cfg.Now()
	return r, nil
}

// Record writes down what Hand sent, for call-backs and counts. It joins the
// transaction of ctx, so that whoever has more to write about the message
// commits once.
func (p *Provider) Record(ctx context.Context, m Message, r Receipt) error {
	if p.owner.cfg.Status == nil || p.Inbox {
		return nil
	}
	rec := Record{
		ID: r.ID, Provider: r.Provider, ProviderID: r.ProviderID, Channel: r.Channel,
		DestHash: m.DestHash, CreatedAt: r.At, Status: Sent,
	}
	if phone, err := ParsePhone(m.To); err == nil && r.Channel.Telephone() {
		rec.Country = phone.Country
	}
	if err := p.owner.cfg.Status.RecordSent(ctx, rec); err != nil {
		return fmt.Errorf("record delivery: %w", err)
	}
	return nil
}
