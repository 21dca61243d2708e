package bench

// row is one line of the goals: a target, what it is held against, and the
// least ratio of their rates; 0 demands nothing.
type row struct {
	key, title       string
	target, baseline string
	demand           float64
}

// Keys of the rows that are no ratio of two targets.
const (
	rowHalfLoad  = "half-load"
	rowParse     = "filter-parse"
	rowStopped   = "import-stopped"
	rowRunning   = "import-running"
	rowImportMem = "import-memory"
	rowExport    = "export"
	rowExportMem = "export-memory"
	rowStart     = "start"
	rowIdle      = "memory-idle"
	rowAnonymous = "memory-growth"
	rowPeak      = "memory-peak"
	rowBinary    = "binary"
)

// ratioRows are the goals that are ratios of two targets.
func ratioRows() []row {
	return []row{
		{"get", "GET /Users/{id}", tGet, tRaw, 0.85},
		{"get-member", "GET /Users/{id} of a member of a group", tGroups, tRaw, 0},
		{"get-attributes", "GET /Users/{id}?attributes=", tProjected, tRaw, 0.5},
		{"get-304", "GET /Users/{id} If-None-Match, 304", tUnchanged, tRaw, 0.9},
		{"username-eq", `filter userName eq`, tName, tRaw, 0.8},
		{"externalid-eq", `filter externalId eq`, tExternal, tRaw, 0.8},
		{"email-eq", `filter emails[type eq "work" and value eq …]`, tEmail, tRaw, 0.5},
		{"indexed-filter", "filter on an indexed attribute, page of 100", tFamily, tHandPage, 0.8},
		{"page-first", "first page of 100", tFirst, tRaw, 0.22},
		{"page-members", "page of 100 members of a group, by startIndex", tMembers, tIndex, 0},
		{"page-cursor", "page of 100 at 90 % by cursor", tCursor, tFirst, 0.9},
		{"page-index", "page of 100 at 90 % by startIndex", tIndex, tFirst, 0.8},
		{"sw-total", "page of userName sw with exact total, data changing", tPrefixTotal, tPrefix, 0.6},
		{"post", "POST user, durable, 32 clients", tPost, tParse, 0.33},
		{"post-1", "POST user, durable, 1 client", tPost1, tDirect, 0.9},
		{"patch", "PATCH one attribute, durable, 32 clients", tPatch, tPost, 0.8},
		{"member", "add or remove one member, large group against one of 10", tMemberLarge, tMemberSmall, 0.9},
		{"growth-get", "growth from 10,000 users: GET", tGet, sGet, 0.8},
		{"growth-username", "growth from 10,000 users: userName eq", tName, sName, 0.8},
		{"growth-first", "growth from 10,000 users: first page", tFirst, sFirst, 0.8},
		{"growth-index", "growth from 10,000 users: page at 90 %", tIndex, sIndex, 0.8},
		{"growth-post", "growth from 10,000 users: POST", tPost, sPost, 0.8},
	}
}
