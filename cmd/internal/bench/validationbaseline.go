package bench

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"net/http"
	"time"

	"github.com/sallyport-id/sallyport/storage/baseline"
)

// challengePath is where the bare handlers about one-time codes are.
const challengePath = "/challenge"

// challengeLife is that of a code.
const challengeLife = 10 * time.Minute

// challengeHandlers are the bare handlers about one-time codes.
type challengeHandlers struct{ rows *baseline.Challenges }

// serveChallenges adds the handlers to mux.
func serveChallenges(ctx context.Context, db *baseline.DB, mux *http.ServeMux) error {
	rows, err := db.Challenges(ctx)
	if err != nil {
		return err
	}
	h := &challengeHandlers{rows: rows}
	mux.HandleFunc("POST "+challengePath, h.insert)
	mux.HandleFunc("PUT "+challengePath, h.update)
	return nil
}

// insert is the limit of a start by a server that commits for each request:
// who counts tries must know the challenge after a crash, which takes one
// durable row.
func (h *challengeHandlers) insert(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, http.StatusCreated, h.rows.Insert)
}

// update is the limit of a proof: one row that tells of it and one that is
// changed by it, in one commit.
func (h *challengeHandlers) update(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, http.StatusOK, h.rows.InsertUsed)
}

func (h *challengeHandlers) answer(w http.ResponseWriter, r *http.Request, status int, do func(context.Context, baseline.Challenge) error) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		now, hash := time.Now(), sha256.Sum256(body)
		// A subject of its own: the index of live challenges is unique.
		err = do(r.Context(), baseline.Challenge{
			JTI: rand.Text(), Subject: rand.Text(), Destination: hash[:],
			Created: now.UnixMicro(), Expires: now.Add(challengeLife).UnixMicro(),
		})
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header()["Content-Type"] = []string{"application/scim+json"}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
