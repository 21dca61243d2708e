package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// version of the payload. A new one is a new number, for strict decoding
// refuses unknown members.
const version = 1

// payload is what is encrypted.
type payload struct {
	JTI      string       `json:"jti"`
	Version  int          `json:"v"`
	Kind     Kind         `json:"kind"`
	Subject  string       `json:"sub"`
	Issued   int64        `json:"iat"`
	Expires  int64        `json:"exp"`
	Actor    actorPayload `json:"act"`
	Path     string       `json:"path"`
	Value    string       `json:"val"`
	Provider string       `json:"prov,omitempty"`
	MAC      []byte       `json:"mac,omitempty"`
	Secret   []byte       `json:"secret,omitempty"`

	CredentialEpoch int64 `json:"cep"`
	FactorEpoch     int64 `json:"fep"`
}

type actorPayload struct {
	Client  string `json:"client,omitempty"`
	Subject string `json:"sub,omitempty"`
	Session string `json:"sid,omitempty"`
}

func (c Claims) encode() ([]byte, error) {
	out, err := json.Marshal(payload{ //nolint:gosec // G117: what is marshaled here is encrypted at once
		JTI: c.JTI, Version: version, Kind: c.Kind, Subject: c.Subject,
		Issued: c.IssuedAt.Unix(), Expires: c.ExpiresAt.Unix(),
		Actor: actorPayload(c.Actor), Path: c.Path, Value: c.Value, Provider: c.Provider,
		MAC: c.mac, Secret: c.Secret,
		CredentialEpoch: c.CredentialEpoch, FactorEpoch: c.FactorEpoch,
	})
	if err != nil {
		return nil, fmt.Errorf("encode claims: %w", err)
	}
	return out, nil
}

// decodeClaims is strict: an unknown member, version or kind, or anything after
// the object, is refused, although only this program can have written it.
func decodeClaims(plain []byte, kind Kind) (Claims, bool) {
	decoder := json.NewDecoder(bytes.NewReader(plain))
	decoder.DisallowUnknownFields()
	var p payload
	if err := decoder.Decode(&p); err != nil {
		return Claims{}, false
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Claims{}, false
	}
	if p.Version != version || p.Kind != kind || p.JTI == "" || p.Subject == "" {
		return Claims{}, false
	}
	return Claims{
		JTI: p.JTI, Kind: p.Kind, Subject: p.Subject,
		IssuedAt: time.Unix(p.Issued, 0).UTC(), ExpiresAt: time.Unix(p.Expires, 0).UTC(),
		Actor: Actor(p.Actor), Path: p.Path, Value: p.Value, Provider: p.Provider,
		Secret: p.Secret, CredentialEpoch: p.CredentialEpoch, FactorEpoch: p.FactorEpoch,
		mac: p.MAC,
	}, true
}
