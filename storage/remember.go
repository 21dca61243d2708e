package storage

import "sync"

// rememberLimit bounds how many values are remembered of one kind.
const rememberLimit = 4096

// remembered keeps what was decoded of rows that many requests read and few
// change, for as long as the stored text is the same. The row is read all the
// same, so that a change counts at once on every node; what is saved is the
// decoding, most of the cost. Who gets a value must not change what it points
// to.
type remembered[T any] struct {
	mu     sync.RWMutex
	values map[string]rememberedValue[T]
}

type rememberedValue[T any] struct {
	text  string
	value T
}

// get returns the value of the row with this key and text; decode makes it
// unless it is known.
func (r *remembered[T]) get(key, text string, decode func() (T, error)) (T, error) {
	r.mu.RLock()
	known, ok := r.values[key]
	r.mu.RUnlock()
	if ok && known.text == text {
		return known.value, nil
	}
	value, err := decode()
	if err != nil {
		return value, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil || len(r.values) >= rememberLimit {
		r.values = make(map[string]rememberedValue[T])
	}
	r.values[key] = rememberedValue[T]{text, value}
	return value, nil
}
