package web

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"

	"github.com/sallyport-id/sallyport/authn/locale"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed texts/*.json
var textFiles embed.FS

// parsePages makes one template of each page: the layout and shared parts with
// the page's own content.
func parsePages() (map[page]*template.Template, error) {
	shared, err := template.ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/part_*.html")
	if err != nil {
		return nil, fmt.Errorf("parse pages: %w", err)
	}
	out := map[page]*template.Template{}
	for _, p := range pages() {
		t, err := shared.Clone()
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", p, err)
		}
		if out[p], err = t.ParseFS(templateFiles, "templates/"+string(p)+".html"); err != nil {
			return nil, fmt.Errorf("parse page %s: %w", p, err)
		}
	}
	return out, nil
}

// Texts loads the texts of the pages; its error names every one that a
// language lacks.
func Texts() (*locale.Catalog, error) {
	folder, err := fs.Sub(textFiles, "texts")
	if err != nil {
		return nil, fmt.Errorf("open texts of pages: %w", err)
	}
	return locale.Load(folder)
}
