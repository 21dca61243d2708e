package server

import "time"

// janitorEvery is how often expired rows are looked for. Every node looks; the
// store lets one at a time do the work.
const janitorEvery = time.Minute
