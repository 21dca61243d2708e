// Package locale picks the language in which a person is addressed and holds
// the texts that messages are made of. It owns the list of languages, the
// matching of BCP 47 tags to them and the catalog; templates and pages belong
// to those who show them. It imports nothing of ours.
//
// A catalog is one JSON object of texts per language, embedded, in folder
// texts. Every language has every key: [Load] refuses a gap, so that nobody is
// addressed in two languages at once.
package locale
