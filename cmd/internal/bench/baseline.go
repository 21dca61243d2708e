package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sallyport-id/sallyport/storage/baseline"
)

// ServeBaselines serves the bare handlers until ctx ends. It prints its URL on
// notice. Only `sallyport bench` calls it.
func ServeBaselines(ctx context.Context, database string, notice io.Writer) error {
	db, err := baseline.Open(ctx, database)
	if err != nil {
		return err
	}
	h := &handlers{db: db}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello", h.hello)
	mux.HandleFunc("GET /raw/{id}", h.raw)
	mux.HandleFunc("GET /page/{attr}/{key}", h.page)
	mux.HandleFunc("POST /parse", h.parse)
	mux.HandleFunc("POST /direct", h.direct)
	if err := errors.Join(serveChallenges(ctx, db, mux), serveProvider(ctx, db, mux)); err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(serveBare(ctx, mux, notice), db.Close())
}

// Hello serves one greeting: what any Go program needs to come up and answer.
func Hello(ctx context.Context, notice io.Writer) error {
	return serveBare(ctx, http.HandlerFunc((&handlers{}).hello), notice)
}

func serveBare(ctx context.Context, h http.Handler, notice io.Writer) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: answerTimeout}
	if _, err := fmt.Fprintf(notice, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// handlers are the bare handlers: net/http and one statement. Each is what
// nothing that does the same job over HTTP can leave out.
type handlers struct {
	db    *baseline.DB
	count atomic.Int64
}

// hello is the limit of net/http itself.
func (h *handlers) hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") }

// raw is the limit of a read from this database: the stored JSON, found by its
// key with a prepared statement, sent as it is. Whoever answers from the
// database must do this much.
func (h *handlers) raw(w http.ResponseWriter, r *http.Request) {
	doc, err := h.db.Document(r.PathValue("id"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header()["Content-Type"] = []string{"application/scim+json"}
	_, _ = w.Write(doc) //nolint:gosec // JSON, and said to be
}

// page is the limit of a filter on an indexed attribute: the statement that
// one would write by hand for it, and the stored documents one after the other
// in a list.
func (h *handlers) page(w http.ResponseWriter, r *http.Request) {
	b := append(make([]byte, 0, 160<<10), `{"Resources":[`...)
	b, err := h.db.Page(b, r.PathValue("attr"), r.PathValue("key"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = []string{"application/scim+json"}
	_, _ = w.Write(append(b, `]}`...)) //nolint:gosec // JSON, and said to be
}

// parse is the limit of a POST without a store: read, decode, answer.
func (h *handlers) parse(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var document map[string]any
	if err == nil {
		err = json.Unmarshal(body, &document)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header()["Content-Type"] = []string{"application/scim+json"}
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(body)
}

// posted is what direct takes from a document.
type posted struct {
	UserName    string `json:"userName"`
	ExternalID  string `json:"externalId"`
	DisplayName string `json:"displayName"`
	Name        struct {
		FamilyName string `json:"familyName"`
	} `json:"name"`
	Emails []struct {
		Value string `json:"value"`
	} `json:"emails"`
}

// direct is the limit of a durable POST with one client: decode, insert the
// rows that a user has with an audit event, commit to the disk, answer.
func (h *handlers) direct(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var u posted
	if err == nil {
		err = json.Unmarshal(body, &u)
	}
	if err != nil || len(u.Emails) != 2 {
		http.Error(w, "not a user of bench", http.StatusBadRequest)
		return
	}
	now := time.Now()
	id := appendID(nil, int(now.UnixMilli()-first)+int(h.count.Add(1)))
	if err := h.db.Insert(r.Context(), baseline.User{
		ID: string(id), Name: strings.ToLower(u.UserName), External: u.ExternalID, Family: strings.ToLower(u.Name.FamilyName),
		Display: strings.ToLower(u.DisplayName), Number: u.ExternalID,
		Emails: [2]string{strings.ToLower(u.Emails[0].Value), strings.ToLower(u.Emails[1].Value)},
		Doc:    body, Time: now.UnixMicro(),
	}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = []string{"application/scim+json"}
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(body)
}

// ExportRaw writes every stored document: the limit of an export.
func ExportRaw(ctx context.Context, database string, w io.Writer) error {
	db, err := baseline.Open(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(db.Export(ctx, w), db.Close())
}

// LoadRaw inserts the rows of CSV files, for where SQLite's shell is missing.
func LoadRaw(ctx context.Context, database, dir string) error {
	db, err := baseline.Open(ctx, database)
	if err != nil {
		return err
	}
	return errors.Join(db.Load(ctx, dir), db.Close())
}
