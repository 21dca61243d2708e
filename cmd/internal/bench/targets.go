package bench

import (
	"net/url"
	"strconv"
)

// Names of the targets.
const (
	tRaw, tParse, tDirect, tHandPage = "raw", "parse only", "direct commit", "page by hand"

	tGet, tGroups                     = "get", "get-member"
	tProjected, tUnchanged            = "get-attributes", "get-304"
	tName, tExternal, tEmail, tFamily = "username-eq", "externalid-eq", "email-eq", "indexed-filter"
	tFirst, tCursor, tIndex           = "page-first", "page-cursor", "page-index"
	tMembers                          = "page-members"
	tPrefixTotal, tPrefix             = "sw-total", "sw-without-total"
	tPost, tPost1, tPatch             = "post", "post-1", "patch"
	tMemberSmall, tMemberLarge        = "member-small", "member-large"

	sGet, sName, sFirst, sIndex, sPost = "small-get", "small-username-eq", "small-page-first", "small-page-index", "small-post"
)

// Sizes of answers, in bytes.
const (
	oneUser = 1000
	onePage = 100 * oneUser
)

func onServer(st *stage) *service   { return st.server }
func onSmall(st *stage) *service    { return st.small }
func onBaseline(st *stage) *service { return st.baseline }

// targets are all kinds of requests.
func targets() []*target {
	return []*target{
		{name: tRaw, at: onBaseline, status: 200, least: oneUser, next: func(st *stage, w *worker) []byte {
			return w.request("GET", string(appendID([]byte("/raw/"), w.pick(st))), "")
		}},
		{name: tHandPage, at: onBaseline, status: 200, least: onePage, next: func(st *stage, w *worker) []byte {
			return w.request("GET", "/page/name.familyname/fam"+strconv.Itoa(w.rng.IntN(st.data.families())), "")
		}},
		{name: tParse, at: onBaseline, status: 201, least: oneUser, next: post("/parse")},
		{name: tDirect, at: onBaseline, status: 201, least: oneUser, conns: 1, durable: true, next: post("/direct")},

		{name: tGet, at: onServer, status: 200, least: oneUser, next: get("")},
		{name: tGroups, at: onServer, status: 200, least: oneUser, next: func(st *stage, w *worker) []byte {
			return w.request("GET", string(appendID([]byte(usersPath+"/"), st.data.members()+w.rng.IntN(st.data.largeMembers()))), "")
		}},
		{name: tProjected, at: onServer, status: 200, least: 200, next: get("?attributes=userName,active,emails.value")},
		{name: tUnchanged, at: onServer, status: 304, next: unchanged},
		{name: tName, at: onServer, status: 200, least: oneUser, next: nameEq},
		{name: tExternal, at: onServer, status: 200, least: oneUser, next: func(st *stage, w *worker) []byte {
			return w.filter(`externalId eq "`+st.data.person(w.pick(st)).external+`"`, "")
		}},
		{name: tEmail, at: onServer, status: 200, least: oneUser, next: func(st *stage, w *worker) []byte {
			return w.filter(`emails[type eq "work" and value eq "`+st.data.person(w.pick(st)).work+`"]`, "")
		}},
		{name: tFamily, at: onServer, status: 200, least: onePage, next: func(st *stage, w *worker) []byte {
			return w.filter(`name.familyName eq "fam`+strconv.Itoa(w.rng.IntN(st.data.families()))+`"`, "&count=100")
		}},
		{name: tFirst, at: onServer, status: 200, least: onePage, next: firstPage},
		{name: tMembers, at: onServer, status: 200, least: onePage, next: func(st *stage, w *worker) []byte {
			at := st.data.members() + w.rng.IntN(st.data.largeMembers()-100) + 1
			return w.request("GET", usersPath+"?count=100&startIndex="+strconv.Itoa(at), "")
		}},
		{name: tCursor, at: onServer, status: 200, least: onePage, next: func(st *stage, w *worker) []byte {
			return w.request("GET", usersPath+"?cursor="+st.deep[w.rng.IntN(len(st.deep))], "")
		}},
		{name: tIndex, at: onServer, status: 200, least: onePage, next: deepIndex},
		{name: tPrefixTotal, at: onServer, status: 200, least: onePage, writes: true, next: func(_ *stage, w *worker) []byte {
			return w.filter(`userName sw "`+prefix(w)+`"`, "&count=100")
		}},
		{name: tPrefix, at: onServer, status: 200, least: onePage, writes: true, next: func(st *stage, w *worker) []byte {
			p := prefix(w)
			return w.filter(`userName sw "`+p+`"`, "&cursor="+st.prefixes[p])
		}},

		{name: tPost, at: onServer, status: 201, least: oneUser, durable: true, next: post(usersPath)},
		{name: tPost1, at: onServer, status: 201, least: oneUser, conns: 1, durable: true, next: post(usersPath)},
		{name: tPatch, at: onServer, status: 200, least: oneUser, durable: true, next: patchTitle},
		{name: tMemberSmall, at: onServer, status: 204, durable: true, pairs: true, next: member(0)},
		{name: tMemberLarge, at: onServer, status: 204, durable: true, pairs: true, next: member(1)},

		{name: sGet, at: onSmall, status: 200, least: oneUser, next: get("")},
		{name: sName, at: onSmall, status: 200, least: oneUser, next: nameEq},
		{name: sFirst, at: onSmall, status: 200, least: onePage, next: firstPage},
		{name: sIndex, at: onSmall, status: 200, least: onePage, next: deepIndex},
		{name: sPost, at: onSmall, status: 201, least: oneUser, durable: true, next: post(usersPath)},
	}
}

// Paths of the server.
const (
	scimPath  = "/scim/v2"
	usersPath = scimPath + "/Users"
)

func (w *worker) request(method, path, body string) []byte {
	w.buf = w.site.append(w.buf[:0], method, path, body)
	return w.buf
}

func (w *worker) filter(text, more string) []byte {
	return w.request("GET", usersPath+"?filter="+url.QueryEscape(text)+more, "")
}

// data and users are the population that the worker's server has.
func (w *worker) data(st *stage) data {
	if st.small != nil && w.site.address == st.small.site.address {
		return data{smallUsers}
	}
	return st.data
}

func (w *worker) users(st *stage) int { return w.data(st).users }

// pick chooses a user that is in no group and that nothing changes.
func (w *worker) pick(st *stage) int {
	d := w.data(st)
	from := d.users * 3 / 4
	return from + w.rng.IntN(d.users-spare-from)
}

func get(query string) func(*stage, *worker) []byte {
	return func(st *stage, w *worker) []byte {
		return w.request("GET", string(appendID([]byte(usersPath+"/"), w.pick(st)))+query, "")
	}
}

// patched is the share of the users that the PATCH row changes: the first
// tenth.
const patched = 10

func unchanged(st *stage, w *worker) []byte {
	id := appendID([]byte(usersPath+"/"), w.pick(st))
	w.buf = w.site.append(w.buf[:0], "GET", string(id), "")
	w.buf = append(w.buf[:len(w.buf)-len("\r\n")], "If-None-Match: W/\"1\"\r\n\r\n"...)
	return w.buf
}

func nameEq(st *stage, w *worker) []byte {
	d := w.data(st)
	return w.filter(`userName eq "`+d.person(w.pick(st)).name+`"`, "")
}

func firstPage(_ *stage, w *worker) []byte { return w.request("GET", usersPath+"?count=100", "") }

func deepIndex(st *stage, w *worker) []byte {
	at := w.users(st)*9/10 + w.rng.IntN(w.users(st)/50) + 1
	return w.request("GET", usersPath+"?count=100&startIndex="+strconv.Itoa(at), "")
}

func prefix(w *worker) string {
	i := w.rng.IntN(len(letters))
	return letters[i : i+1]
}

// post sends new users; no two are alike.
func post(path string) func(*stage, *worker) []byte {
	return func(st *stage, w *worker) []byte {
		n := int(st.posted.Add(1))
		w.body = w.data(st).appendUser(w.body[:0], n, "p", false)
		return w.request("POST", path, string(w.body))
	}
}

func patchTitle(st *stage, w *worker) []byte {
	id := appendID([]byte(usersPath+"/"), w.rng.IntN(st.data.users/patched))
	return w.request("PATCH", string(id), `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+
		`{"op":"replace","path":"title","value":"Engineer `+strconv.FormatUint(w.rng.Uint64()%1e9, 10)+`"}]}`)
}

// member adds a user to a group, and with the next request takes it out again,
// so that the group keeps its size.
func member(group int) func(*stage, *worker) []byte {
	path := scimPath + "/Groups/" + groupID(group)
	return func(st *stage, w *worker) []byte {
		const each = spare / defaultConns
		id := string(appendID(nil, st.data.users-spare+w.index*each+w.count/2%each))
		op := `{"op":"add","path":"members","value":[{"value":"` + id + `"}]}`
		if w.count%2 == 1 {
			op = `{"op":"remove","path":"members[value eq \"` + id + `\"]"}`
		}
		return w.request("PATCH", path, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+op+`]}`)
	}
}
