package delivery_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/sallyport-id/sallyport/authn/locale"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

func TestProviderNames(t *testing.T) {
	t.Parallel()
	account := &delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: sender}
	other := &delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: "+4915112345678"}
	gate := &delivery.SMTPConfig{Host: "127.0.0.1", Port: 25, TLS: delivery.NoTLS, From: "a@example.com"}
	build := func(edit func(*delivery.Config)) (*delivery.Providers, error) {
		c := delivery.Config{Service: "x", Providers: []delivery.ProviderConfig{
			{Name: delivery.SMTPGateway, Channel: delivery.Email, SMTP: gate},
			{Name: delivery.TwilioSMS, Channel: delivery.SMS, Twilio: account},
			{Name: "Zweite", Channel: delivery.SMS, Twilio: other},
			{Name: delivery.TwilioVoice, Channel: delivery.Voice, Twilio: account},
		}}
		if edit != nil {
			edit(&c)
		}
		p, err := delivery.New(c)
		if err == nil {
			t.Cleanup(func() { _ = p.Close() })
		}
		return p, err
	}
	p, err := build(nil)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	for _, c := range []struct {
		rule string
		get  func() (*delivery.Provider, error)
		name string
		ch   delivery.Channel
		err  error
	}{
		{"the name selects SMS", func() (*delivery.Provider, error) { return p.Provider("Twilio SMS Provider") }, delivery.TwilioSMS, delivery.SMS, nil},
		{"the name selects voice", func() (*delivery.Provider, error) { return p.Provider("Twilio Voice Provider") }, delivery.TwilioVoice, delivery.Voice, nil},
		{"an own name", func() (*delivery.Provider, error) { return p.Provider("Zweite") }, "Zweite", delivery.SMS, nil},
		{"names are exact", func() (*delivery.Provider, error) { return p.Provider("twilio sms provider") }, "", "", delivery.ErrUnknownProvider},
		{"no name is none", func() (*delivery.Provider, error) { return p.Provider("") }, "", "", delivery.ErrUnknownProvider},
		{"the first is the default", func() (*delivery.Provider, error) { return p.Default(delivery.SMS) }, delivery.TwilioSMS, delivery.SMS, nil},
		{"telephone without a name is SMS", p.DefaultPhone, delivery.TwilioSMS, delivery.SMS, nil},
		{"no such channel", func() (*delivery.Provider, error) { return p.Default("pigeon") }, "", "", delivery.ErrNoProvider},
	} {
		got, err := c.get()
		if !errors.Is(err, c.err) || err == nil && (got.Name != c.name || got.Channel != c.ch) {
			t.Errorf("%s: %+v, %v", c.rule, got, err)
		}
	}
	chosen, err := build(func(c *delivery.Config) {
		c.Defaults, c.DefaultPhone = map[delivery.Channel]string{delivery.SMS: "Zweite"}, delivery.TwilioVoice
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := chosen.Default(delivery.SMS); err != nil || got.Name != "Zweite" {
		t.Errorf("configured default = %+v, %v", got, err)
	}
	if got, err := chosen.DefaultPhone(); err != nil || got.Name != delivery.TwilioVoice {
		t.Errorf("configured telephone default = %+v, %v", got, err)
	}
	for rule, c := range map[string]struct {
		edit func(*delivery.Config)
		want string
	}{
		"two of one name":             {func(c *delivery.Config) { c.Providers = append(c.Providers, c.Providers[1]) }, "two of that name"},
		"no name":                     {func(c *delivery.Config) { c.Providers[0].Name = "" }, "no name"},
		"no service":                  {func(c *delivery.Config) { c.Service = "" }, "service has no name"},
		"gateway for SMS":             {func(c *delivery.Config) { c.Providers[0].Channel = delivery.SMS }, "needs an SMTP gateway"},
		"unknown channel":             {func(c *delivery.Config) { c.Providers[0].Channel = "fax" }, "fax"},
		"default of another channel":  {func(c *delivery.Config) { c.Defaults = map[delivery.Channel]string{delivery.Voice: "Zweite"} }, "default provider of voice"},
		"unknown default":             {func(c *delivery.Config) { c.Defaults = map[delivery.Channel]string{delivery.SMS: "x"} }, "default provider of sms"},
		"mail as default telephone":   {func(c *delivery.Config) { c.DefaultPhone = delivery.SMTPGateway }, "default telephone provider"},
		"country that does not exist": {func(c *delivery.Config) { c.Countries = []string{"DE", "XX"} }, `"XX"`},
		"sender without a mailbox": {func(c *delivery.Config) {
			c.Providers[0].SMTP = &delivery.SMTPConfig{Host: "h", Port: 25, TLS: delivery.NoTLS, From: "x"}
		}, "sender's address"},
		"sender's name of two lines": {func(c *delivery.Config) {
			c.Providers[0].SMTP = &delivery.SMTPConfig{Host: "h", Port: 25, TLS: delivery.NoTLS, From: "a@example.com", FromName: "A\r\nBcc: x@y.zz"}
		}, "one line"},
	} {
		if _, err := build(c.edit); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: New = %v, want %q", rule, err, c.want)
		}
	}
}

// Without a provider and without the inbox a channel is off; an empty list of
// countries and a sender of no country is SMS off.
func TestOff(t *testing.T) {
	t.Parallel()
	p, err := delivery.New(delivery.Config{Service: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range delivery.Channels() {
		if _, err := p.Default(ch); !errors.Is(err, delivery.ErrNoProvider) {
			t.Errorf("Default(%s) = %v, want ErrNoProvider", ch, err)
		}
	}
	if _, err := p.DefaultPhone(); !errors.Is(err, delivery.ErrNoProvider) || p.HasInbox() {
		t.Errorf("DefaultPhone = %v, want ErrNoProvider", err)
	}
	named := &delivery.TwilioConfig{AccountSID: accountSID, AuthToken: authToken, From: "ACME"}
	p, err = delivery.New(delivery.Config{Service: "x", Providers: []delivery.ProviderConfig{{Name: "T", Channel: delivery.SMS, Twilio: named}}})
	if err != nil {
		t.Fatal(err)
	}
	sms, err := p.DefaultPhone()
	if err != nil {
		t.Fatal(err)
	}
	if err := sms.Check(recipient); !errors.Is(err, delivery.ErrRefused) {
		t.Errorf("Check without countries = %v, want ErrRefused", err)
	}
	wrong := phoneMessage()
	wrong.Channel = delivery.Email
	if _, err := sms.Send(t.Context(), wrong); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("Send of a mail by SMS = %v", err)
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	g, err := delivery.Digits(10)
	if err != nil {
		t.Fatal(err)
	}
	p, err := delivery.New(delivery.Config{
		Service: "x", Rules: map[delivery.Channel]delivery.Rules{delivery.Voice: {Generator: g, Lifetime: time.Minute}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for ch, want := range map[delivery.Channel]struct {
		length int
		life   time.Duration
	}{delivery.Email: {8, 10 * time.Minute}, delivery.SMS: {6, 5 * time.Minute}, delivery.Voice: {10, time.Minute}} {
		if r := p.Rules(ch); r.Generator.Len() != want.length || r.Lifetime != want.life || len(r.Generator.New().Reveal()) != want.length {
			t.Errorf("Rules(%s) = %d characters for %s, want %d for %s", ch, r.Generator.Len(), r.Lifetime, want.length, want.life)
		}
	}
}

// Every channel has a text in every language, and no two languages the same.
func TestEveryLanguage(t *testing.T) {
	t.Parallel()
	p, box := inbox(t, nil)
	seen := map[string]string{}
	for _, lang := range locale.Languages() {
		for _, ch := range delivery.Channels() {
			for _, purpose := range []delivery.Purpose{delivery.Enrolment, delivery.StepUp, delivery.Login, delivery.Recovery, delivery.Test} {
				provider, err := p.Default(ch)
				if err != nil {
					t.Fatal(err)
				}
				m := delivery.Message{To: "ann@example.com", Code: "471108", Language: lang, Purpose: purpose, Validity: time.Minute}
				if ch.Telephone() {
					m.To = recipient
				}
				mustSend(t, provider, m)
				got := box.all()[len(box.all())-1]
				shown := strings.ReplaceAll(got.Text, " ", "")
				if !strings.Contains(shown, "471108") || got.Language != lang || got.Code != "471108" || !strings.Contains(got.Text, "Sainte Anne") {
					t.Errorf("%s, %s, %s: %+v", lang, ch, purpose, got)
				}
				if strings.Contains(got.Text+got.Subject, "{") || strings.Contains(got.Text, "\ue000") {
					t.Errorf("%s, %s: a placeholder is left in %q", lang, ch, got.Text)
				}
				if other, taken := seen[got.Subject+got.Text]; taken && other != lang {
					t.Errorf("%s and %s have one text", lang, other)
				}
				seen[got.Subject+got.Text] = lang
			}
		}
	}
}

func TestTemplateOverrides(t *testing.T) {
	t.Parallel()
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	p, box := inbox(t, func(c *delivery.Config) {
		c.Templates = fstest.MapFS{
			"de/sms.txt":           file("{{.Service}}: {{.Code}} ({{.Minutes}} Min., {{.Purpose}}, {{.Language}})\n"),
			"de/voice.txt":         file("Moin! {{.Code}} Tschüss."),
			"de/email.subject.txt": file("Moin, {{.Service}}"),
		}
	})
	send := func(ch delivery.Channel, lang string) delivery.InboxMessage {
		provider, err := p.Default(ch)
		if err != nil {
			t.Fatal(err)
		}
		m := delivery.Message{To: recipient, Code: "471108", Language: lang, Purpose: delivery.Login, Validity: 61 * time.Second}
		if ch == delivery.Email {
			m.To = "ann@example.com"
		}
		mustSend(t, provider, m)
		return box.all()[len(box.all())-1]
	}
	if got := send(delivery.SMS, "de").Text; got != "Sainte Anne: 471108 (2 Min., login, de)" {
		t.Errorf("SMS = %q", got)
	}
	if got := send(delivery.Voice, "de").Text; got != "Moin! 4 7 1 1 0 8 Tschüss." {
		t.Errorf("voice = %q", got)
	}
	if got := send(delivery.Email, "de"); got.Subject != "Moin, Sainte Anne" || !strings.Contains(got.Text, "Mit diesem Code melden Sie sich an.") {
		t.Errorf("mail = %+v: want the own subject and the shipped text", got)
	}
	if got := send(delivery.SMS, "en").Text; !strings.HasPrefix(got, "471108 is your code") {
		t.Errorf("another language = %q, want the shipped text", got)
	}
	for rule, c := range map[string]struct{ path, text, want string }{
		"no code":            {"en/sms.txt", "Hello", "en/sms.txt"},
		"no code in HTML":    {"fr/email.html", "<p>Bonjour</p>", "email.html does not contain {{.Code}}"},
		"no code by voice":   {"fr/voice.txt", "Bonjour", "voice.txt does not contain {{.Code}}"},
		"syntax":             {"en/sms.txt", "{{.Code", "en/sms.txt"},
		"unknown member":     {"en/sms.txt", "{{.Code}} {{.Password}}", "Password"},
		"unknown text":       {"en/sms.txt", `{{.Code}} {{.Text "nope"}}`, "nope"},
		"two lines subject":  {"es/email.subject.txt", "a\nb", "one line"},
		"too long":           {"en/sms.txt", strings.Repeat("x", 320) + "{{.Code}}", "320 characters"},
		"too long to say":    {"en/voice.txt", strings.Repeat("x", 1000) + "{{.Code}}", "1000 bytes"},
		"unknown file":       {"en/mail.txt", "{{.Code}}", "LANGUAGE/FILE"},
		"unknown language":   {"pt/sms.txt", "{{.Code}}", "LANGUAGE/FILE"},
		"file without place": {"sms.txt", "{{.Code}}", "LANGUAGE/FILE"},
		"huge file":          {"en/sms.txt", strings.Repeat("x", 70<<10), "larger than"},
	} {
		_, err := delivery.New(delivery.Config{Service: "x", Templates: fstest.MapFS{c.path: file(c.text)}})
		want := c.want
		if rule == "no code" {
			want = "sms.txt does not contain {{.Code}}"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: New = %v, want %q", rule, err, want)
		}
	}
	// HTML is escaped by its place.
	evil, box := inbox(t, func(c *delivery.Config) { c.Service = "<script>alert(1)</script>" })
	provider, err := evil.Default(delivery.Email)
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, provider, mailMessage())
	if got := box.all()[0].Text; !strings.Contains(got, "<script>") {
		t.Errorf("the text is escaped: %q", got)
	}
}
