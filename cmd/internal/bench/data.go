package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
)

// data is a deterministic population: everything about a user follows from
// its number.
type data struct{ users int }

// familySize is how many users share a family name, so that a filter on it
// fills more than one page.
const familySize = 500

// first is the time in the ids, in milliseconds; ids grow with the number.
const first = 1_700_000_000_000

func pcg(i int) *rand.Rand {
	return rand.New(rand.NewPCG(0x5a11, uint64(i))) //nolint:gosec // test data, the same every time
}

// appendID adds the id of a user: a UUIDv7 (RFC 9562 section 5.7).
func appendID(b []byte, i int) []byte {
	r := pcg(i)
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], uint64(first+i)<<16|0x7000|r.Uint64()&0xfff) //nolint:gosec // i counts from 0
	binary.BigEndian.PutUint64(id[8:], r.Uint64()&^(3<<62)|1<<63)
	return appendUUID(b, id)
}

func appendUUID(b []byte, id [16]byte) []byte {
	var text [36]byte
	hex.Encode(text[:8], id[:4])
	text[8] = '-'
	hex.Encode(text[9:13], id[4:6])
	text[13] = '-'
	hex.Encode(text[14:18], id[6:8])
	text[18] = '-'
	hex.Encode(text[19:23], id[8:10])
	text[23] = '-'
	hex.Encode(text[24:], id[10:])
	return append(b, text[:]...)
}

// person is the values of a user that requests ask for.
type person struct {
	given, family, name, external, work, home string
}

const letters = "abcdefghijklmnopqrstuvwxyz"

func word(n int) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	b := make([]byte, 0, 8)
	for range 3 {
		b = append(b, consonants[n%len(consonants)], vowels[n/len(consonants)%len(vowels)])
		n /= len(consonants) * len(vowels)
	}
	return string(b)
}

// families is how many family names there are.
func (d data) families() int { return max(1, d.users/familySize) }

// person returns user i. Names begin with every letter alike.
func (d data) person(i int) person {
	r := pcg(i)
	r.Uint64()
	n := strconv.Itoa(i)
	given, family := word(r.IntN(2000)), "fam"+strconv.Itoa(r.IntN(d.families()))
	local := string(letters[r.IntN(len(letters))]) + given + "." + family + "." + n
	return person{
		given: given, family: family, name: local + "@example.com", external: "ext-" + n,
		work: local + "@work.example.com", home: local + "@home.example.org",
	}
}

// appendUser adds the JSON of user i as a client sends it, with the id that it
// is to get if withID. tag makes the unique values of users apart that have
// the same number.
func (d data) appendUser(b []byte, i int, tag string, withID bool) []byte {
	p := d.person(i)
	b = append(b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User",`+
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`...)
	if withID {
		b = append(b, `"id":"`...)
		b = appendID(b, i)
		b = append(b, `",`...)
	}
	n := strconv.Itoa(i)
	b = append(b, `"externalId":"`+tag+p.external+`","userName":"`+tag+p.name+`","name":{"formatted":"`+p.given+" "+p.family+
		`","familyName":"`+p.family+`","givenName":"`+p.given+`"},"displayName":"`+p.given+" "+p.family+`","nickName":"`+p.given+
		`","profileUrl":"https://people.example.com/`+p.name+`","title":"Engineer, second class","userType":"Employee",`+
		`"preferredLanguage":"en-GB","locale":"en-GB","timezone":"Europe/London","active":true,"emails":[{"value":"`+tag+p.work+
		`","type":"work","primary":true},{"value":"`+tag+p.home+`","type":"home"}],"phoneNumbers":[{"value":"tel:+44-20-7946-`+
		fmt.Sprintf("%04d", i%10000)+`","type":"work"},{"value":"tel:+44-7700-900-`+fmt.Sprintf("%03d", i%1000)+
		`","type":"mobile"}],"addresses":[{"formatted":"`+n+` High Street\nLondon SW1A 1AA\nUnited Kingdom","streetAddress":"`+n+
		` High Street","locality":"London","postalCode":"SW1A 1AA","country":"GB","type":"work","primary":true}],`+
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"`+n+`","costCenter":"`+strconv.Itoa(i%97)+
		`","organization":"Example Limited","division":"Products","department":"Department `+strconv.Itoa(i%211)+`"}}`...)
	return b
}

// Group sizes of the rows about members.
const (
	smallGroup = 10
	largeGroup = 100_000
)

// spare is how many of the last users get added to a group and removed again.
const spare = 1000

// largeMembers is the size of the large group among these users.
func (d data) largeMembers() int { return min(largeGroup, d.users/2) }

// members is the number of the first member of both groups: the first and the
// last quarter of the users are in none, so that pages and single reads there
// hold what the baseline holds, no more.
func (d data) members() int { return d.users / 4 }

// groupID is the id of the group with that number; far from those of users.
func groupID(n int) string { return string(appendID(nil, 1_000_000_000+n)) }

// write writes users [from, to) as NDJSON, and the groups if asked.
func (d data) write(w io.Writer, from, to int, groups bool) error {
	out := bufio.NewWriterSize(w, 256<<10)
	var b []byte
	for i := from; i < to; i++ {
		b = append(d.appendUser(b[:0], i, "", true), '\n')
		if _, err := out.Write(b); err != nil {
			return err
		}
	}
	if groups {
		for n, size := range []int{smallGroup, d.largeMembers()} {
			b = append(d.appendGroup(b[:0], n, size), '\n')
			if _, err := out.Write(b); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

func (d data) appendGroup(b []byte, n, size int) []byte {
	b = append(b, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"`+groupID(n)+`","displayName":"bench-`+
		strconv.Itoa(n)+`","externalId":"group-`+strconv.Itoa(n)+`","members":[`...)
	for i := range size {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"value":"`...)
		b = appendID(b, d.members()+i)
		b = append(b, `","type":"User"}`...)
	}
	return append(b, `]}`...)
}
