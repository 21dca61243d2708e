package storagetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
)

// NewID returns a new id of a resource.
func NewID(tb testing.TB) string {
	tb.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		tb.Fatalf("make id: %v", err)
	}
	return id.String()
}

// Type returns a resource type of the opener's registry.
func (o *Opener) Type(tb testing.TB, name string) *schema.ResourceType {
	tb.Helper()
	rt := o.Config.Registry.ByName(name)
	if rt == nil {
		tb.Fatalf("no resource type %q", name)
	}
	return rt
}

// Record returns a new record of version 1 with that object as its document.
func (o *Opener) Record(tb testing.TB, rt *schema.ResourceType, object schema.Object) *scim.Record {
	tb.Helper()
	id := NewID(tb)
	object["id"] = id
	rt.SetSchemas(object)
	now := o.Clock.Now()
	return &scim.Record{
		ID: id, Type: rt.Name, Version: 1, Created: now, LastModified: now,
		Doc: rt.Encode(object), Object: object,
	}
}

// User returns a new user with that user name.
func (o *Opener) User(tb testing.TB, userName string) *scim.Record {
	tb.Helper()
	return o.Record(tb, o.Type(tb, "User"), schema.Object{"userName": userName, "active": true})
}

// Group returns a new group with that name.
func (o *Opener) Group(tb testing.TB, displayName string) *scim.Record {
	tb.Helper()
	return o.Record(tb, o.Type(tb, "Group"), schema.Object{"displayName": displayName})
}

// FullUser is the object of a user of about 1.2 kB, the n-th of a series.
func FullUser(n int) schema.Object {
	name := fmt.Sprintf("user%07d", n)
	return schema.Object{
		"externalId":  "ext-" + name,
		"userName":    name + "@example.com",
		"displayName": "Given Family " + name,
		"title":       "Senior Engineer of Provisioning",
		"userType":    "Employee",
		"active":      true,
		"name": schema.Object{
			"formatted": "Dr. Given Middle Family " + name, "familyName": "Family" + name,
			"givenName": "Given", "middleName": "Middle", "honorificPrefix": "Dr.",
		},
		"emails": []any{
			schema.Object{"value": name + "@example.com", "type": "work", "primary": true},
			schema.Object{"value": name + "@home.example.org", "type": "home"},
		},
		"phoneNumbers": []any{
			schema.Object{"value": fmt.Sprintf("+1-555-%07d", n), "type": "work"},
			schema.Object{"value": fmt.Sprintf("+1-556-%07d", n), "type": "mobile"},
		},
		"addresses": []any{schema.Object{
			"type": "work", "streetAddress": fmt.Sprintf("%d Universal City Plaza", n), "locality": "Hollywood",
			"region": "CA", "postalCode": "91608", "country": "US",
			"formatted": fmt.Sprintf("%d Universal City Plaza, Hollywood, CA 91608 USA", n),
		}},
		schema.EnterpriseUserURN: schema.Object{
			"employeeNumber": fmt.Sprintf("%d", 700000+n), "costCenter": "4130",
			"organization": "Universal Studios", "division": "Theme Park", "department": "Tour Operations",
		},
	}
}

// Add stores a record or ends the test.
func Add(tb testing.TB, db *storage.DB, rt *schema.ResourceType, r *scim.Record) *scim.Record {
	tb.Helper()
	if err := db.Insert(context.Background(), rt, r); err != nil {
		tb.Fatalf("Insert %s: %v", rt.Name, err)
	}
	return r
}

// Next returns the record that follows r, changed by edit.
func (o *Opener) Next(tb testing.TB, r *scim.Record, edit func(schema.Object)) *scim.Record {
	tb.Helper()
	rt := o.Type(tb, r.Type)
	next := *r
	next.Object = r.Object.Clone()
	edit(next.Object)
	next.Version++
	next.LastModified = o.Clock.Now()
	next.Doc = rt.Encode(next.Object)
	return &next
}
