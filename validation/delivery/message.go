package delivery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Channel is a way to reach a person.
type Channel string

// The channels.
const (
	Email Channel = "email"
	SMS   Channel = "sms"
	Voice Channel = "voice"
)

// Channels lists the channels in the order in which they are shown.
func Channels() []Channel { return []Channel{Email, SMS, Voice} }

// Telephone says whether the channel's destinations are telephone numbers.
func (c Channel) Telephone() bool { return c == SMS || c == Voice }

// Purpose is why a code is sent; it picks a sentence of the template.
type Purpose string

// The purposes.
const (
	Enrolment Purpose = "enrolment" // proves possession of an address or number
	StepUp    Purpose = "stepup"    // proves a factor again in a running session
	Login     Purpose = "login"
	Recovery  Purpose = "recovery"
	Test      Purpose = "test" // sent by an operator, opens nothing
)

// Code is a one-time code in clear. It prints, logs and marshals as
// "[redacted]"; Reveal returns the text.
type Code string

const redacted = "[redacted]"

// Reveal returns the code itself.
func (c Code) Reveal() string { return string(c) }

// Format implements fmt.Formatter, for every verb.
func (c Code) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (c Code) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (c Code) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Text is a text chosen by a caller, with %code% in it. It is never stored or
// shown and redacts itself as [Code] does.
type Text string

// Reveal returns the text itself.
func (t Text) Reveal() string { return string(t) }

// Format implements fmt.Formatter, for every verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (t Text) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (t Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Message is one code on its way to one destination.
type Message struct {
	// ID names the message in the records of deliveries: the jti of its
	// challenge. Empty: a random one.
	ID string
	// Channel must be the provider's; empty takes it.
	Channel Channel
	// To is a mailbox or an E.164 number, as [ParseEmail] or [ParsePhone]
	// returned it.
	To   string
	Code Code
	// Language is a BCP 47 tag or a list of them as in Accept-Language
	// (RFC 9110 section 12.5.4); the nearest template language is taken.
	Language string
	Purpose  Purpose
	// Subject and Text replace the template (specification of second factors,
	// section 7) and must have passed [CheckEmailTexts] or [CheckPhoneText].
	Subject, Text Text
	// Validity is how long the code opens anything, from now.
	Validity time.Duration
	// DestHash names the destination in the records of deliveries; they never
	// hold the destination itself. May be nil.
	DestHash []byte
}

// Receipt is what a provider said when it took over a message.
type Receipt struct {
	ID         string // of the message
	Provider   string // name of the provider
	Channel    Channel
	ProviderID string    // Message-ID, or Twilio's SID
	At         time.Time // when it was accepted
	Reply      string    // the gateway's own words, for operators; never the code
}

// Sender hands one message to a gateway and waits for its answer, 10 seconds
// at most. Its errors wrap one of [ErrRefused], [ErrUnavailable] or
// [ErrUnknown]. It never retries.
type Sender interface {
	Send(ctx context.Context, m Message) (Receipt, error)
}

// What becomes of a message that was not accepted.
var (
	// ErrRefused: this destination can never receive a code by this channel.
	ErrRefused = errors.New("destination refused")
	// ErrUnavailable: the provider is down, busy or not set up; nothing was sent.
	ErrUnavailable = errors.New("provider unavailable")
	// ErrUnknown: the provider did not answer in time after it had the message;
	// the person may receive it.
	ErrUnknown = errors.New("delivery unknown")
	// ErrUnknownProvider: no provider has that name.
	ErrUnknownProvider = errors.New("unknown messaging provider")
	// ErrNoProvider: the channel has neither a provider nor the inbox.
	ErrNoProvider = errors.New("no provider for this channel")
)
