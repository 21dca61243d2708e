package delivery

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/sallyport-id/sallyport/authn/locale"
)

//go:embed templates
var builtinTemplates embed.FS

// The parts of a message, each a file.
const (
	subjectFile = "email.subject.txt"
	textFile    = "email.txt"
	htmlFile    = "email.html"
	smsFile     = "sms.txt"
	voiceFile   = "voice.txt"
)

func templateFiles() []string { return []string{subjectFile, textFile, htmlFile, smsFile, voiceFile} }

// Bounds of what a template may make.
const (
	longestSMS        = 320 // two long segments at most
	longestTemplate   = 64 << 10
	spokenCode        = "\ue000" // stands for the code in a voice template
	longestSpoken     = 1000
	longestLineOfMail = 998 // RFC 5322 section 2.1.1
)

// content is a rendered message. It holds the code: never log it.
type content struct {
	language      string
	subject, text string
	html          string // empty: text/plain only
	spoken        string // voice: lines, with spokenCode where the code is read
	code          Code
}

// readable is the text as a person reads it in the inbox: of a call, what is
// said.
func (c content) readable() string {
	if c.spoken == "" {
		return c.text
	}
	return strings.ReplaceAll(c.spoken, spokenCode, strings.Join(strings.Split(c.code.Reveal(), ""), " "))
}

// view is what a template sees.
type view struct {
	Service  string
	Code     string
	Minutes  int // until the code expires, rounded up
	Purpose  string
	Language string // of the message, such as "de"

	catalog *locale.Catalog
}

// Text is a text of the catalog in the message's language.
func (v view) Text(key string) (string, error) {
	if !v.catalog.Has(key) {
		return "", fmt.Errorf("there is no text %q", key)
	}
	return v.catalog.Text(v.Language, key, map[string]string{
		"service": v.Service, "code": v.Code, "minutes": strconv.Itoa(v.Minutes),
	}), nil
}

// Expiry says how long the code is valid.
func (v view) Expiry() (string, error) {
	if v.Minutes == 1 {
		return v.Text("validity_one")
	}
	return v.Text("validity")
}

// executor is a parsed template of either kind.
type executor interface {
	Execute(w io.Writer, data any) error
}

// templates makes messages. It is read only after loading.
type templates struct {
	service  string
	fallback string // language
	catalog  *locale.Catalog
	parsed   map[string]map[string]executor // by language and file
}

// loadTemplates parses the built-in templates and those of the folder of
// overrides, LANGUAGE/FILE with the file names above, and tries each: it must
// render for every purpose and contain the code. Faults name the file.
func loadTemplates(service, fallback string, overrides fs.FS) (*templates, error) {
	catalog, err := locale.Builtin()
	if err != nil {
		return nil, err
	}
	t := &templates{service: service, fallback: fallback, catalog: catalog, parsed: map[string]map[string]executor{}}
	var faults []error
	shipped := map[string]executor{}
	for _, file := range templateFiles() {
		if shipped[file], err = parseTemplate(builtinTemplates, "templates/"+file); err != nil {
			return nil, err
		}
	}
	for _, lang := range locale.Languages() {
		t.parsed[lang] = maps.Clone(shipped)
	}
	if overrides != nil {
		faults = append(faults, t.override(overrides)...)
	}
	return t, errors.Join(append(faults, t.try()...)...)
}

// override reads the operator's folder; a file that could never be used is a
// fault, for it was meant to be.
func (t *templates) override(folder fs.FS) []error {
	var faults []error
	err := fs.WalkDir(folder, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		lang, file, _ := strings.Cut(path, "/")
		if !slices.Contains(locale.Languages(), lang) || !slices.Contains(templateFiles(), file) {
			faults = append(faults, fmt.Errorf("template %s: the name must be LANGUAGE/FILE, LANGUAGE one of %s, FILE one of %s",
				path, strings.Join(locale.Languages(), ", "), strings.Join(templateFiles(), ", ")))
			return nil
		}
		parsed, err := parseTemplate(folder, path)
		if err != nil {
			faults = append(faults, err)
			return nil
		}
		t.parsed[lang][file] = parsed
		return nil
	})
	if err != nil {
		faults = append(faults, fmt.Errorf("read templates: %w", err))
	}
	return faults
}

func parseTemplate(folder fs.FS, path string) (executor, error) {
	info, err := fs.Stat(folder, path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	if info.Size() > longestTemplate {
		return nil, fmt.Errorf("template %s is larger than %d bytes", path, longestTemplate)
	}
	raw, err := fs.ReadFile(folder, path)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	if strings.HasSuffix(path, ".html") {
		parsed, err := htmltemplate.New(path).Option("missingkey=error").Parse(string(raw))
		if err != nil {
			return nil, fmt.Errorf("parse template: %w", err)
		}
		return parsed, nil
	}
	parsed, err := template.New(path).Option("missingkey=error").Parse(string(raw))
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	return parsed, nil
}

// try renders every message once.
func (t *templates) try() []error {
	const sample = Code("90817263")
	var faults []error
	for _, lang := range locale.Languages() {
		for _, purpose := range []Purpose{Enrolment, StepUp, Login, Recovery, Test} {
			for _, ch := range Channels() {
				m := Message{Channel: ch, Code: sample, Language: lang, Purpose: purpose, Validity: 10 * time.Minute}
				if _, err := t.render(m); err != nil {
					faults = append(faults, fmt.Errorf("template %s, %s: %w", lang, purpose, err))
				}
			}
		}
	}
	return faults
}

// render makes the message: from the caller's texts if there are any, else
// from the templates.
func (t *templates) render(m Message) (content, error) {
	c := content{language: locale.Choose(t.fallback, m.Language), code: m.Code}
	v := view{
		Service: t.service, Code: m.Code.Reveal(), Purpose: string(m.Purpose), Language: c.language,
		Minutes: int((m.Validity + time.Minute - 1) / time.Minute), catalog: t.catalog,
	}
	switch m.Channel {
	case Email:
		return t.mail(m, v, c)
	case SMS:
		return t.sms(m, v, c)
	default:
		return t.voice(m, v, c)
	}
}

func (t *templates) mail(m Message, v view, c content) (content, error) {
	var err error
	if c.subject, err = t.execute(subjectFile, v); err != nil {
		return c, err
	}
	if strings.ContainsAny(c.subject, "\r\n") || len(c.subject) > longestLineOfMail {
		return c, fmt.Errorf("%s must make one line", subjectFile)
	}
	if c.text, err = t.execute(textFile, v); err != nil {
		return c, err
	}
	if m.Subject == "" && m.Text == "" {
		if c.html, err = t.execute(htmlFile, v); err != nil {
			return c, err
		}
		return c, contains(v.Code, map[string]string{textFile: c.text, htmlFile: c.html})
	}
	if m.Subject != "" {
		c.subject = m.Subject.fill(m.Code)
	}
	if m.Text != "" {
		line, err := v.Text("caller_line")
		if err != nil {
			return c, err
		}
		c.text = m.Text.fill(m.Code) + "\n\n" + line
	}
	return c, nil
}

func (t *templates) sms(m Message, v view, c content) (content, error) {
	if m.Text != "" {
		line, err := v.Text("caller_line")
		c.text = m.Text.fill(m.Code) + "\n" + line
		return c, err
	}
	var err error
	if c.text, err = t.execute(smsFile, v); err != nil {
		return c, err
	}
	if len([]rune(c.text)) > longestSMS {
		return c, fmt.Errorf("%s makes more than %d characters", smsFile, longestSMS)
	}
	return c, contains(v.Code, map[string]string{smsFile: c.text})
}

// voice renders with a stand-in for the code, which is spoken character by
// character.
func (t *templates) voice(m Message, v view, c content) (content, error) {
	if m.Text != "" {
		line, err := v.Text("caller_line")
		c.spoken = m.Text.fill(spokenCode) + "\n" + line
		return c, err
	}
	v.Code = spokenCode
	var err error
	if c.spoken, err = t.execute(voiceFile, v); err != nil {
		return c, err
	}
	if len(c.spoken) > longestSpoken {
		return c, fmt.Errorf("%s makes more than %d bytes", voiceFile, longestSpoken)
	}
	return c, contains(spokenCode, map[string]string{voiceFile: c.spoken})
}

func contains(code string, parts map[string]string) error {
	for file, text := range parts {
		if !strings.Contains(text, code) {
			return fmt.Errorf("%s does not contain {{.Code}}", file)
		}
	}
	return nil
}

func (t *templates) execute(file string, v view) (string, error) {
	var b strings.Builder
	if err := t.parsed[v.Language][file].Execute(&b, v); err != nil {
		return "", fmt.Errorf("render %s: %w", file, err)
	}
	return strings.TrimSpace(b.String()), nil
}
