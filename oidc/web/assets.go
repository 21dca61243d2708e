package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed assets
var assetFiles embed.FS

// assetPrefix is where static files stand. Their names carry a hash of their
// content, so that they are kept for ever.
const assetPrefix = "/assets/"

// assetHash is how many hexadecimal digits of the hash stand in a name.
const assetHash = 12

// asset is one static file.
type asset struct {
	name, kind string
	content    []byte
}

// assets are the static files, by their name and by the name they are served
// under.
type assets struct {
	base   string
	byName map[string]asset
	served map[string]asset
}

func newAssets(base string) (*assets, error) {
	a := &assets{base: base, byName: map[string]asset{}, served: map[string]asset{}}
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return nil, fmt.Errorf("read static files: %w", err)
	}
	for _, f := range files {
		content, err := fs.ReadFile(assetFiles, path.Join("assets", f.Name()))
		if err != nil {
			return nil, fmt.Errorf("read static files: %w", err)
		}
		a.add(f.Name(), content)
	}
	return a, nil
}

// add keeps a file under a name of ours.
func (a *assets) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	file := asset{
		name: strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:])[:assetHash] + ext,
		kind: mime.TypeByExtension(ext), content: content,
	}
	a.byName[name], a.served[file.name] = file, file
}

// path is where a file is served; "" when there is no such file.
func (a *assets) path(name string) string {
	f, ok := a.byName[name]
	if !ok {
		return ""
	}
	return a.base + assetPrefix + f.name
}

// serve answers with a static file. A logo is of the operator: opened by
// itself it may not run anything either.
func (a *assets) serve(c echo.Context) error {
	f, ok := a.served[c.Param("name")]
	if !ok {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
	if c.Request().Method == http.MethodHead {
		h.Set("Content-Type", f.kind)
		return c.NoContent(http.StatusOK)
	}
	return c.Blob(http.StatusOK, f.kind, f.content)
}
