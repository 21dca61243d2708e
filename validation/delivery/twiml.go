package delivery

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// voiceOf names the voice of a language, in the form of Twilio's Say.
func voiceOf(language string) string {
	switch language {
	case "de":
		return "de-DE"
	case "fr":
		return "fr-FR"
	case "es":
		return "es-ES"
	default:
		return "en-US"
	}
}

type twimlSay struct {
	XMLName  xml.Name `xml:"Say"`
	Language string   `xml:"language,attr"`
	Text     string   `xml:",chardata"`
}

type twimlPause struct {
	XMLName xml.Name `xml:"Pause"`
	Length  int      `xml:"length,attr"` // seconds
}

type twimlResponse struct {
	XMLName xml.Name `xml:"Response"`
	Verbs   []any    `xml:",any"`
}

// twiML makes the script of a call: each line is said, each character of the
// code by itself, with a pause after it, so that it can be written down.
func twiML(c content) (string, error) {
	r := twimlResponse{}
	for line := range strings.Lines(c.spoken) {
		parts := strings.Split(line, spokenCode)
		for i, part := range parts {
			if part = strings.TrimSpace(part); part != "" {
				r.say(c.language, part)
			}
			if i == len(parts)-1 {
				break
			}
			for _, char := range c.code.Reveal() {
				r.say(c.language, string(char))
				r.Verbs = append(r.Verbs, twimlPause{Length: 1})
			}
		}
	}
	raw, err := xml.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("write script of the call: %w", err)
	}
	return xml.Header + string(raw), nil
}

func (r *twimlResponse) say(language, text string) {
	r.Verbs = append(r.Verbs, twimlSay{Language: voiceOf(language), Text: text})
}
